// Which tokens lie in which cells: a radix tree over the sequences of the cache.
//
// Idea. The cache's sequences (runs of tokens from position 0 on) share cells: a sequence that was made as a copy
// of another's beginning has the very same cells. Drawn from their common beginnings, the sequences form a tree.
// Each node is a run of cells that the same set of sequences holds; the path from the root to a node spells the
// tokens before it; a sequence ends at the end of some node. So
//   - the longest prefix of a prompt that is in the cache, whoever computed it, is one walk down from the root;
//   - the cells in use are the lengths of all nodes together, exactly, and those that at least one *running*
//     sequence holds are known beside them (the rest may be given up);
//   - what giving up a sequence would free is the run of nodes at its end that nobody else holds.
// Radix trees for this: SGLang (Zheng et al. 2024), there over pages. Here the tree follows cells, not tokens:
// two sequences that computed the same tokens apart have cells of their own, and siblings may begin with the same
// token. A walk tries each of them. That is what makes the count of cells the cache's own.
//
// Invariants: a node that is not the root holds at least one token and at least one sequence; a node without an
// end has two children or more (others are merged with their child), so there are at most twice as many nodes as
// sequences. tests/engine/prefix_tree_test.cpp holds the tree against a list of cells, each with its owners.
//
// Pure bookkeeping: knows nothing of the inference library. Not for concurrent use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace atelier::engine {

using SequenceId = std::int32_t;
inline constexpr SequenceId kNoSequence = -1;
// Stands for what is in a cell that must not be found: no prompt has such a token.
inline constexpr std::int32_t kNoToken = -1;

class PrefixTree {
 public:
  // Running sequences are in use; kept ones are there to be found.
  enum class Holder { kRunning, kKept };

  struct Match {
    std::size_t length = 0;             // tokens from the beginning that are in cells
    std::size_t held = 0;               // how many of those a running sequence holds
    SequenceId sequence = kNoSequence;  // one that has them; the one that ends soonest behind them
  };

  PrefixTree();
  ~PrefixTree();
  PrefixTree(const PrefixTree&) = delete;
  PrefixTree& operator=(const PrefixTree&) = delete;

  // A new sequence without cells. The id must not be in use.
  void open(SequenceId id, Holder holder);
  // Cells of its own for these tokens, at its end.
  void extend(SequenceId id, std::span<const std::int32_t> tokens);
  // The first `length` cells of `from`, for a sequence that has none yet.
  void share(SequenceId id, SequenceId from, std::size_t length);
  // Its cells from `length` on are no longer its own; gives the number that nobody holds any more.
  std::size_t truncate(SequenceId id, std::size_t length);
  // The sequence is no more; gives the number of cells that nobody holds any more.
  std::size_t close(SequenceId id);
  // The same sequence under another id, or held in another way.
  void rename(SequenceId from, SequenceId to);
  void set_holder(SequenceId id, Holder holder);

  bool contains(SequenceId id) const { return sequences_.contains(id); }
  std::size_t length(SequenceId id) const;
  std::vector<std::int32_t> tokens(SequenceId id) const;
  // The cells at its end that no other sequence holds.
  std::size_t exclusive(SequenceId id) const;
  // Other sequences that hold some of its cells from `length` on.
  std::vector<SequenceId> sharers(SequenceId id, std::size_t length) const;
  // In how many ways other sequences go on behind all of this one.
  std::size_t continuations(SequenceId id) const;
  // Kept sequences whose cells are all among this one's: nothing is found through them that is not found here.
  // The longest first.
  std::vector<SequenceId> kept_within(SequenceId id) const;

  // All cells, and those that a running sequence holds.
  std::size_t cells() const { return cells_; }
  std::size_t held_cells() const { return held_; }
  std::size_t nodes() const { return nodes_; }

  // The longest beginning of `tokens` that is in cells.
  Match longest(std::span<const std::int32_t> tokens) const;
  // The same for this sequence's tokens, looking only at cells that others hold too.
  Match longest_of_others(SequenceId id) const;
  // The longest sequence that `tokens` begins with as a whole, at most `limit` long.
  Match longest_whole(std::span<const std::int32_t> tokens, std::size_t limit) const;

 private:
  struct Node;
  struct Sequence {
    Node* end;
    Holder holder;
  };

  static std::size_t end_of(const Node& node);
  const Sequence& find(SequenceId id) const;
  void attach(SequenceId id, Sequence& sequence, Node* node);
  void detach(SequenceId id, const Sequence& sequence);
  void add_holder(Node* node, Holder holder);
  void remove_holder(Node* node, Holder holder);
  // The node above or at `node` that ends at `depth`; cut in two where none does.
  Node* node_at(Node* node, std::size_t depth);
  void prune(Node* node);
  void merge_with_child(Node* node);
  // `node` must be held by another than `excluded`.
  Match match_at(const Node* node, std::size_t depth, SequenceId excluded) const;
  // Where the longest beginning of `tokens` leads, not looking at `skipped`.
  std::pair<const Node*, std::size_t> walk(std::span<const std::int32_t> tokens, const Node* skipped) const;

  std::unique_ptr<Node> root_;
  std::unordered_map<SequenceId, Sequence> sequences_;
  std::size_t cells_ = 0;
  std::size_t held_ = 0;
  std::size_t nodes_ = 0;
};

// How many tokens two lists have in common at their beginning.
std::size_t common_prefix(std::span<const std::int32_t> a, std::span<const std::int32_t> b);

}  // namespace atelier::engine
