#include "engine/prefix_tree.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/invariant.h"

namespace atelier::engine {

struct PrefixTree::Node {
  Node* parent = nullptr;
  std::size_t begin = 0;  // position of its first token
  std::vector<std::int32_t> tokens;
  std::vector<std::unique_ptr<Node>> children;
  std::vector<SequenceId> ends;  // sequences that end behind its last token
  // Sequences that end here or below.
  std::size_t running = 0;
  std::size_t kept = 0;
};

std::size_t common_prefix(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
  const std::size_t length = std::min(a.size(), b.size());
  return static_cast<std::size_t>(
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(length), b.begin()).first - a.begin());
}

PrefixTree::PrefixTree() : root_(std::make_unique<Node>()) {}
PrefixTree::~PrefixTree() = default;

std::size_t PrefixTree::end_of(const Node& node) { return node.begin + node.tokens.size(); }

const PrefixTree::Sequence& PrefixTree::find(SequenceId id) const {
  const auto found = sequences_.find(id);
  ENGINE_INVARIANT(found != sequences_.end());
  return found->second;
}

// ---------------------------------------------------------------- who holds what

void PrefixTree::add_holder(Node* node, Holder holder) {
  for (; node != nullptr; node = node->parent) {
    if (holder == Holder::kKept)
      ++node->kept;
    else if (node->running++ == 0)
      held_ += node->tokens.size();
  }
}

void PrefixTree::remove_holder(Node* node, Holder holder) {
  for (; node != nullptr; node = node->parent) {
    if (holder == Holder::kKept)
      --node->kept;
    else if (--node->running == 0)
      held_ -= node->tokens.size();
  }
}

void PrefixTree::attach(SequenceId id, Sequence& sequence, Node* node) {
  sequence.end = node;
  node->ends.push_back(id);
  add_holder(node, sequence.holder);
}

void PrefixTree::detach(SequenceId id, const Sequence& sequence) {
  std::erase(sequence.end->ends, id);
  remove_holder(sequence.end, sequence.holder);
}

PrefixTree::Node* PrefixTree::node_at(Node* node, std::size_t depth) {
  while (node->begin >= depth && node->parent != nullptr) node = node->parent;
  if (end_of(*node) == depth) return node;
  ENGINE_INVARIANT(node->begin < depth && depth < end_of(*node));
  // The upper part is the new node, so that what ends at the lower part need not move.
  auto upper = std::make_unique<Node>();
  const auto cut = node->tokens.begin() + static_cast<std::ptrdiff_t>(depth - node->begin);
  upper->parent = node->parent;
  upper->begin = node->begin;
  upper->tokens.assign(node->tokens.begin(), cut);
  upper->running = node->running;
  upper->kept = node->kept;
  node->tokens.erase(node->tokens.begin(), cut);
  node->begin = depth;
  auto& siblings = upper->parent->children;
  const auto place = std::find_if(siblings.begin(), siblings.end(), [&](const auto& n) { return n.get() == node; });
  ENGINE_INVARIANT(place != siblings.end());
  upper->children.push_back(std::move(*place));
  node->parent = upper.get();
  *place = std::move(upper);
  ++nodes_;
  return node->parent;
}

// Takes away what nobody holds, from `node` upwards, and joins what need not be apart any more.
void PrefixTree::prune(Node* node) {
  while (node->parent != nullptr && node->running + node->kept == 0) {
    Node* parent = node->parent;
    cells_ -= node->tokens.size();
    std::erase_if(parent->children, [&](const auto& child) { return child.get() == node; });
    --nodes_;
    node = parent;
  }
  merge_with_child(node);
}

void PrefixTree::merge_with_child(Node* node) {
  if (node->parent == nullptr || !node->ends.empty() || node->children.size() != 1) return;
  const std::unique_ptr<Node> child = std::move(node->children.front());
  node->tokens.insert(node->tokens.end(), child->tokens.begin(), child->tokens.end());
  node->ends = std::move(child->ends);
  node->children = std::move(child->children);
  for (auto& grandchild : node->children) grandchild->parent = node;
  for (const SequenceId id : node->ends) sequences_.at(id).end = node;
  --nodes_;
}

// ---------------------------------------------------------------- changes

void PrefixTree::open(SequenceId id, Holder holder) {
  const auto [place, is_new] = sequences_.try_emplace(id, Sequence{nullptr, holder});
  ENGINE_INVARIANT(is_new);
  attach(id, place->second, root_.get());
}

void PrefixTree::extend(SequenceId id, std::span<const std::int32_t> tokens) {
  if (tokens.empty()) return;
  Sequence& sequence = sequences_.at(id);
  Node* node = sequence.end;
  cells_ += tokens.size();
  if (node->parent != nullptr && node->children.empty() && node->ends.size() == 1) {
    node->tokens.insert(node->tokens.end(), tokens.begin(), tokens.end());
    if (node->running > 0) held_ += tokens.size();
    return;
  }
  auto child = std::make_unique<Node>();
  Node* added = child.get();
  added->parent = node;
  added->begin = end_of(*node);
  added->tokens.assign(tokens.begin(), tokens.end());
  node->children.push_back(std::move(child));
  ++nodes_;
  detach(id, sequence);
  attach(id, sequence, added);
  merge_with_child(node);
}

void PrefixTree::share(SequenceId id, SequenceId from, std::size_t length) {
  ENGINE_INVARIANT(id != from && this->length(id) == 0 && length <= this->length(from));
  Node* node = node_at(find(from).end, length);
  Sequence& sequence = sequences_.at(id);
  detach(id, sequence);
  attach(id, sequence, node);
}

std::size_t PrefixTree::truncate(SequenceId id, std::size_t length) {
  const std::size_t before = cells_;
  Sequence& sequence = sequences_.at(id);
  ENGINE_INVARIANT(length <= end_of(*sequence.end));
  Node* old_end = sequence.end;
  Node* new_end = node_at(old_end, length);
  if (new_end == old_end) return 0;
  detach(id, sequence);
  attach(id, sequence, new_end);
  prune(old_end);
  return before - cells_;
}

std::size_t PrefixTree::close(SequenceId id) {
  const std::size_t before = cells_;
  const Sequence sequence = find(id);
  detach(id, sequence);
  sequences_.erase(id);
  prune(sequence.end);
  return before - cells_;
}

void PrefixTree::rename(SequenceId from, SequenceId to) {
  const Sequence sequence = find(from);
  const bool is_free = sequences_.try_emplace(to, sequence).second;
  ENGINE_INVARIANT(is_free);
  std::replace(sequence.end->ends.begin(), sequence.end->ends.end(), from, to);
  sequences_.erase(from);
}

void PrefixTree::set_holder(SequenceId id, Holder holder) {
  Sequence& sequence = sequences_.at(id);
  if (sequence.holder == holder) return;
  remove_holder(sequence.end, sequence.holder);
  sequence.holder = holder;
  add_holder(sequence.end, sequence.holder);
}

// ---------------------------------------------------------------- questions

std::size_t PrefixTree::length(SequenceId id) const { return end_of(*find(id).end); }

std::vector<std::int32_t> PrefixTree::tokens(SequenceId id) const {
  const Node* node = find(id).end;
  std::vector<std::int32_t> out(end_of(*node));
  for (; node != nullptr; node = node->parent) {
    std::copy(node->tokens.begin(), node->tokens.end(), out.begin() + static_cast<std::ptrdiff_t>(node->begin));
  }
  return out;
}

std::size_t PrefixTree::exclusive(SequenceId id) const {
  const Node* node = find(id).end;
  const std::size_t length = end_of(*node);
  while (node->parent != nullptr && node->running + node->kept == 1) node = node->parent;
  return length - end_of(*node);
}

std::vector<SequenceId> PrefixTree::sharers(SequenceId id, std::size_t length) const {
  std::vector<SequenceId> out;
  const Node* top = find(id).end;
  if (end_of(*top) <= length) return out;
  while (top->begin > length) top = top->parent;
  std::vector<const Node*> to_visit = {top};
  while (!to_visit.empty()) {
    const Node* node = to_visit.back();
    to_visit.pop_back();
    std::copy_if(node->ends.begin(), node->ends.end(), std::back_inserter(out),
                 [&](SequenceId other) { return other != id; });
    for (const auto& child : node->children) to_visit.push_back(child.get());
  }
  return out;
}

std::size_t PrefixTree::continuations(SequenceId id) const { return find(id).end->children.size(); }

std::vector<SequenceId> PrefixTree::kept_within(SequenceId id) const {
  std::vector<SequenceId> out;
  for (const Node* node = find(id).end; node != nullptr; node = node->parent) {
    for (const SequenceId other : node->ends) {
      if (other != id && find(other).holder == Holder::kKept) out.push_back(other);
    }
  }
  return out;
}

std::pair<const PrefixTree::Node*, std::size_t> PrefixTree::walk(std::span<const std::int32_t> tokens,
                                                                 const Node* skipped) const {
  const Node* best = root_.get();
  std::size_t best_depth = 0;
  std::vector<const Node*> to_visit = {root_.get()};
  while (!to_visit.empty()) {
    const Node* node = to_visit.back();
    to_visit.pop_back();
    for (const auto& child : node->children) {
      if (child.get() == skipped) continue;
      const std::size_t common = common_prefix(child->tokens, tokens.subspan(child->begin));
      if (common == 0) continue;
      if (child->begin + common > best_depth) {
        best = child.get();
        best_depth = child->begin + common;
      }
      if (common == child->tokens.size()) to_visit.push_back(child.get());
    }
  }
  return {best, best_depth};
}

PrefixTree::Match PrefixTree::match_at(const Node* node, std::size_t depth, SequenceId excluded) const {
  Match match;
  match.length = depth;
  if (depth == 0) return match;
  // The sequence that ends soonest: of sliding windows it has the most of what lies before `depth`.
  std::size_t soonest = SIZE_MAX;
  std::vector<const Node*> to_visit = {node};
  while (!to_visit.empty()) {
    const Node* below = to_visit.back();
    to_visit.pop_back();
    const auto end =
        std::find_if(below->ends.begin(), below->ends.end(), [&](SequenceId id) { return id != excluded; });
    if (end != below->ends.end() && end_of(*below) < soonest) {
      soonest = end_of(*below);
      match.sequence = *end;
    }
    for (const auto& child : below->children) to_visit.push_back(child.get());
  }
  const Node* holder = node;
  while (holder->parent != nullptr && holder->running == 0) holder = holder->parent;
  match.held = std::min(depth, end_of(*holder));
  return match;
}

PrefixTree::Match PrefixTree::longest(std::span<const std::int32_t> tokens) const {
  const auto [node, depth] = walk(tokens, nullptr);
  return match_at(node, depth, kNoSequence);
}

PrefixTree::Match PrefixTree::longest_of_others(SequenceId id) const {
  // The first node that is held by this one alone; what is below is too.
  const Node* own = find(id).end;
  const Node* skipped = nullptr;
  for (; own->parent != nullptr && own->running + own->kept == 1; own = own->parent) skipped = own;
  const auto [node, depth] = walk(tokens(id), skipped);
  return match_at(node, depth, id);
}

PrefixTree::Match PrefixTree::longest_whole(std::span<const std::int32_t> tokens, std::size_t limit) const {
  Match match;
  std::vector<const Node*> to_visit = {root_.get()};
  while (!to_visit.empty()) {
    const Node* node = to_visit.back();
    to_visit.pop_back();
    if (!node->ends.empty() && end_of(*node) > match.length && end_of(*node) <= limit)
      match = match_at(node, end_of(*node), kNoSequence);
    for (const auto& child : node->children) {
      if (common_prefix(child->tokens, tokens.subspan(child->begin)) == child->tokens.size()) {
        to_visit.push_back(child.get());
      }
    }
  }
  return match;
}

}  // namespace atelier::engine
