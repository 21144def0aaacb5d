// The tree against a list of cells, each with the sequences that have it: what libllama keeps, said slowly.
#include "engine/prefix_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

namespace atelier::engine {
namespace {

using Tokens = std::vector<std::int32_t>;
using Holder = PrefixTree::Holder;

class SlowCells {
 public:
  void open(SequenceId id, Holder holder) { holders_[id] = holder; }
  void extend(SequenceId id, const Tokens& tokens) {
    std::size_t position = length(id);
    for (const std::int32_t token : tokens) cells_.push_back({token, position++, {id}});
  }
  void share(SequenceId id, SequenceId from, std::size_t length) {
    for (Cell& cell : cells_) {
      if (cell.position < length && cell.owners.contains(from)) cell.owners.insert(id);
    }
  }
  std::size_t truncate(SequenceId id, std::size_t length) {
    const std::size_t before = cells_.size();
    for (Cell& cell : cells_) {
      if (cell.position >= length) cell.owners.erase(id);
    }
    std::erase_if(cells_, [](const Cell& cell) { return cell.owners.empty(); });
    return before - cells_.size();
  }
  std::size_t close(SequenceId id) {
    holders_.erase(id);
    return truncate(id, 0);
  }
  void rename(SequenceId from, SequenceId to) {
    for (Cell& cell : cells_) {
      if (cell.owners.erase(from) > 0) cell.owners.insert(to);
    }
    holders_[to] = holders_.extract(from).mapped();
  }
  void set_holder(SequenceId id, Holder holder) { holders_[id] = holder; }

  std::size_t cells() const { return cells_.size(); }
  std::size_t held_cells() const {
    return static_cast<std::size_t>(
        std::count_if(cells_.begin(), cells_.end(), [&](const Cell& c) { return held(c); }));
  }
  std::size_t length(SequenceId id) const { return tokens(id).size(); }
  Tokens tokens(SequenceId id) const {
    std::map<std::size_t, std::int32_t> by_position;
    for (const Cell& cell : cells_) {
      if (cell.owners.contains(id)) by_position[cell.position] = cell.token;
    }
    Tokens out;
    for (const auto& [position, token] : by_position) out.push_back(token);
    return out;
  }
  std::set<SequenceId> sharers(SequenceId id, std::size_t from) const {
    std::set<SequenceId> out;
    for (const Cell& cell : cells_) {
      if (cell.position >= from && cell.owners.contains(id)) out.insert(cell.owners.begin(), cell.owners.end());
    }
    out.erase(id);
    return out;
  }
  std::size_t exclusive(SequenceId id) const {
    return static_cast<std::size_t>(
        std::count_if(cells_.begin(), cells_.end(), [&](const Cell& c) { return c.owners == std::set{id}; }));
  }
  // The longest beginning of `tokens` that one sequence has in cells of which `counts` says true.
  template <class Counts>
  std::size_t longest(const Tokens& tokens, Counts counts) const {
    std::size_t best = 0;
    for (const auto& [id, holder] : holders_) {
      std::map<std::size_t, std::int32_t> by_position;
      for (const Cell& cell : cells_) {
        if (cell.owners.contains(id) && counts(cell)) by_position[cell.position] = cell.token;
      }
      std::size_t length = 0;
      while (length < tokens.size() && by_position.contains(length) && by_position[length] == tokens[length]) ++length;
      best = std::max(best, length);
    }
    return best;
  }
  std::size_t longest(const Tokens& tokens) const {
    return longest(tokens, [](const Cell&) { return true; });
  }
  std::size_t longest_of_others(SequenceId id) const {
    return longest(tokens(id), [&](const Cell& cell) { return cell.owners != std::set{id}; });
  }
  std::size_t longest_whole(const Tokens& tokens, std::size_t limit) const {
    std::size_t best = 0;
    for (const auto& [id, holder] : holders_) {
      const Tokens own = this->tokens(id);
      if (own.size() <= std::min(limit, tokens.size()) && std::equal(own.begin(), own.end(), tokens.begin())) {
        best = std::max(best, own.size());
      }
    }
    return best;
  }
  // Of the first `length` cells of a sequence, those that a running one holds: always a beginning.
  std::size_t held_of(SequenceId id, std::size_t length) const {
    return static_cast<std::size_t>(std::count_if(cells_.begin(), cells_.end(), [&](const Cell& c) {
      return c.owners.contains(id) && c.position < length && held(c);
    }));
  }
  bool is_within(SequenceId inner, SequenceId outer) const {
    return std::all_of(cells_.begin(), cells_.end(),
                       [&](const Cell& c) { return !c.owners.contains(inner) || c.owners.contains(outer); });
  }
  Holder holder(SequenceId id) const { return holders_.at(id); }
  std::vector<SequenceId> ids() const {
    std::vector<SequenceId> out;
    for (const auto& [id, holder] : holders_) out.push_back(id);
    return out;
  }

 private:
  struct Cell {
    std::int32_t token;
    std::size_t position;
    std::set<SequenceId> owners;
  };
  bool held(const Cell& cell) const {
    return std::any_of(cell.owners.begin(), cell.owners.end(),
                       [&](SequenceId id) { return holders_.at(id) == Holder::kRunning; });
  }

  std::vector<Cell> cells_;
  std::map<SequenceId, Holder> holders_;
};

// Two kinds of tokens only, so that beginnings are shared often and also by chance.
class RandomWalk {
 public:
  explicit RandomWalk(unsigned seed) : random_(seed) {}

  void change() {
    const auto ids = slow_.ids();
    const auto kind = random_() % 10;
    if (ids.empty() || (kind < 2 && ids.size() < 12)) {
      open();
      return;
    }
    const SequenceId id = ids[random_() % ids.size()];
    if (kind < 5) {
      extend(id);
    } else if (kind < 6) {
      const std::size_t length = random_() % (slow_.length(id) + 1);
      ASSERT_EQ(tree_.truncate(id, length), slow_.truncate(id, length));
    } else if (kind < 7) {
      ASSERT_EQ(tree_.close(id), slow_.close(id));
    } else if (kind < 8) {
      tree_.rename(id, next_id_);
      slow_.rename(id, next_id_++);
    } else if (kind < 9) {
      const Holder holder = random_() % 2 == 0 ? Holder::kRunning : Holder::kKept;
      tree_.set_holder(id, holder);
      slow_.set_holder(id, holder);
    } else {
      redirect(id);
    }
  }

  void compare() {
    ASSERT_EQ(tree_.cells(), slow_.cells());
    ASSERT_EQ(tree_.held_cells(), slow_.held_cells());
    const auto ids = slow_.ids();
    ASSERT_LE(tree_.nodes(), 2 * ids.size());
    for (const SequenceId id : ids) compare_sequence(id, ids);
    for (int i = 0; i < 4; ++i) compare_match(random_tokens(12));
    if (ids.empty()) return;
    // The tokens of one, cut or changed or longer: matches that are long.
    Tokens near = slow_.tokens(ids[random_() % ids.size()]);
    if (!near.empty() && random_() % 2 == 0) near[random_() % near.size()] ^= 1;
    const Tokens more = random_tokens(4);
    near.insert(near.end(), more.begin(), more.end());
    compare_match(near);
  }

 private:
  Tokens random_tokens(std::size_t most) {
    Tokens tokens(random_() % (most + 1));
    for (std::int32_t& token : tokens) token = static_cast<std::int32_t>(random_() % 2);
    return tokens;
  }

  void open() {
    const Holder holder = random_() % 2 == 0 ? Holder::kRunning : Holder::kKept;
    const SequenceId id = next_id_++;
    tree_.open(id, holder);
    slow_.open(id, holder);
    if (random_() % 3 == 0) return;
    const Tokens wanted = random_tokens(12);
    const PrefixTree::Match match = tree_.longest(wanted);
    if (match.length == 0) return;
    const std::size_t length = 1 + random_() % match.length;
    tree_.share(id, match.sequence, length);
    slow_.share(id, match.sequence, length);
  }

  void extend(SequenceId id) {
    const Tokens tokens = random_tokens(5);
    tree_.extend(id, tokens);
    slow_.extend(id, tokens);
  }

  // As a finished sequence gives up cells that others have computed too.
  void redirect(SequenceId id) {
    const PrefixTree::Match match = tree_.longest_of_others(id);
    const Tokens tokens = tree_.tokens(id);
    const Tokens rest(tokens.begin() + static_cast<std::ptrdiff_t>(match.length), tokens.end());
    ASSERT_EQ(tree_.truncate(id, 0), slow_.truncate(id, 0));
    if (match.length > 0) {
      tree_.share(id, match.sequence, match.length);
      slow_.share(id, match.sequence, match.length);
    }
    tree_.extend(id, rest);
    slow_.extend(id, rest);
  }

  void compare_sequence(SequenceId id, const std::vector<SequenceId>& ids) {
    ASSERT_EQ(tree_.tokens(id), slow_.tokens(id));
    ASSERT_EQ(tree_.length(id), slow_.length(id));
    ASSERT_EQ(tree_.exclusive(id), slow_.exclusive(id));
    const PrefixTree::Match match = tree_.longest_of_others(id);
    ASSERT_EQ(match.length, slow_.longest_of_others(id));
    if (match.length > 0) {
      ASSERT_NE(match.sequence, id);
      check_found(match, slow_.tokens(id));
    }
    std::set<SequenceId> within;
    for (const SequenceId other : ids) {
      if (other != id && slow_.holder(other) == Holder::kKept && slow_.is_within(other, id)) within.insert(other);
    }
    const auto found = tree_.kept_within(id);
    ASSERT_EQ(std::set<SequenceId>(found.begin(), found.end()), within);
    const std::size_t from = random_() % (slow_.length(id) + 1);
    const auto sharers = tree_.sharers(id, from);
    const std::set<SequenceId> different(sharers.begin(), sharers.end());
    ASSERT_EQ(different.size(), sharers.size());
    ASSERT_EQ(different, slow_.sharers(id, from));
  }

  void compare_match(const Tokens& tokens) {
    const PrefixTree::Match match = tree_.longest(tokens);
    ASSERT_EQ(match.length, slow_.longest(tokens));
    if (match.length > 0) check_found(match, tokens);
    const std::size_t limit = random_() % (tokens.size() + 1);
    const PrefixTree::Match whole = tree_.longest_whole(tokens, limit);
    ASSERT_EQ(whole.length, slow_.longest_whole(tokens, limit));
    if (whole.length > 0) {
      check_found(whole, tokens);
      ASSERT_EQ(slow_.length(whole.sequence), whole.length);
    }
  }

  void check_found(const PrefixTree::Match& match, const Tokens& tokens) {
    const Tokens found = slow_.tokens(match.sequence);
    ASSERT_GE(found.size(), match.length);
    ASSERT_TRUE(std::equal(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(match.length), found.begin()));
    ASSERT_EQ(match.held, slow_.held_of(match.sequence, match.length));
  }

  std::mt19937 random_;
  PrefixTree tree_;
  SlowCells slow_;
  SequenceId next_id_ = 0;
};

TEST(PrefixTree, EqualsAListOfCellsOverManyRandomChanges) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    RandomWalk walk(seed);
    for (int step = 0; step < 150; ++step) {
      walk.change();
      walk.compare();
      if (testing::Test::HasFatalFailure()) {
        FAIL() << "seed " << seed << " step " << step;
      }
    }
  }
}

TEST(PrefixTree, FindsThePrefixOfAForkAndWhatEndingItFrees) {
  PrefixTree tree;
  tree.open(0, Holder::kRunning);
  tree.extend(0, Tokens{1, 2, 3, 4, 5});
  tree.open(1, Holder::kKept);
  tree.share(1, 0, 3);
  tree.extend(1, Tokens{9, 9});
  EXPECT_EQ(tree.cells(), 7U);
  EXPECT_EQ(tree.held_cells(), 5U);
  EXPECT_EQ(tree.longest(Tokens{1, 2, 3, 9, 7}).length, 4U);
  EXPECT_EQ(tree.longest(Tokens{1, 2, 3, 9, 7}).sequence, 1);
  EXPECT_EQ(tree.longest(Tokens{1, 2, 3, 9, 7}).held, 3U);
  EXPECT_EQ(tree.exclusive(1), 2U);
  EXPECT_EQ(tree.close(0), 2U);
  EXPECT_EQ(tree.cells(), 5U);
  EXPECT_EQ(tree.held_cells(), 0U);
  EXPECT_EQ(tree.nodes(), 1U);
}

TEST(PrefixTree, NothingIsFoundInAnEmptyOne) {
  PrefixTree tree;
  EXPECT_EQ(tree.longest(Tokens{1}).length, 0U);
  EXPECT_EQ(tree.longest(Tokens{1}).sequence, kNoSequence);
  EXPECT_EQ(tree.longest_whole(Tokens{}, 0).length, 0U);
  tree.open(0, Holder::kKept);
  EXPECT_EQ(tree.longest(Tokens{1}).length, 0U);
  EXPECT_EQ(tree.close(0), 0U);
}

}  // namespace
}  // namespace atelier::engine
