#include "engine/logit_scan.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>

namespace atelier::engine {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kMinusInfinity = -kInfinity;
constexpr float kLowest = std::numeric_limits<float>::lowest();

// So many of the largest are tried as holding the nucleus.
constexpr std::size_t kNarrow[] = {64, 768};
// Beyond so many, sorting is dearer than the pass by buckets.
constexpr std::size_t kMaxSorted = 4096;

// By token.
bool earlier(const Candidate& a, const Candidate& b) { return a.token < b.token; }

// The beginning of a sorted list that has this mass; false where the list does not reach it.
bool cut_at_mass(std::vector<Candidate>& sorted, float largest_logit, double mass) {
  double taken = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    taken += exponential(sorted[i].logit - largest_logit);
    if (taken < mass) continue;
    sorted.resize(i + 1);
    return true;
  }
  return false;
}

// The last chunk, filled up.
std::array<float, kChunk> padded(std::span<const float> tail) {
  std::array<float, kChunk> out;
  std::fill(std::copy(tail.begin(), tail.end(), out.begin()), out.end(), kMinusInfinity);
  return out;
}

}  // namespace

std::span<const float> LogitScan::chunk(std::size_t index) const {
  const std::size_t begin = index * kChunk;
  return logits_.subspan(begin, std::min(kChunk, logits_.size() - begin));
}

void LogitScan::read(std::span<const float> logits) {
  logits_ = logits;
  const std::size_t whole = logits.size() / kChunk;
  const std::size_t all = (logits.size() + kChunk - 1) / kChunk;
  columns_.resize(all * kColumns);
  chunks_.resize(all);
  kernels_->maxima(logits.data(), whole, columns_.data(), chunks_.data());
  if (all > whole) {
    const auto tail = padded(chunk(whole));
    kernels_->maxima(tail.data(), 1, &columns_[whole * kColumns], &chunks_[whole]);
  }
  largest_logit_ = kMinusInfinity;
  for (const float maximum : chunks_) largest_logit_ = std::max(largest_logit_, maximum);
}

bool LogitScan::empty() const { return largest_logit_ == kMinusInfinity; }

std::int32_t LogitScan::largest() const {
  if (empty()) return -1;
  const auto found = std::find(chunks_.begin(), chunks_.end(), largest_logit_);
  const auto index = static_cast<std::size_t>(found - chunks_.begin());
  const std::span<const float> values = chunk(index);
  const auto place = std::find(values.begin(), values.end(), largest_logit_) - values.begin();
  return static_cast<std::int32_t>(index * kChunk) + static_cast<std::int32_t>(place);
}

// Appends what is at least `least`, in order of ids.
void LogitScan::gather(std::size_t chunk_index, float least, std::vector<Candidate>& out) const {
  const std::span<const float> values = chunk(chunk_index);
  std::array<std::uint16_t, kColumns> columns;
  std::size_t column_count = 0;
  for (std::size_t i = 0; i < kColumns; ++i) {
    columns[column_count] = static_cast<std::uint16_t>(i);
    column_count += static_cast<std::size_t>(columns_[chunk_index * kColumns + i] >= least);
  }
  // No branch for each value: whether it is one of them cannot be foretold.
  std::array<std::uint16_t, kChunk + 1> found;
  std::size_t count = 0;
  const auto look_at = [&](std::size_t i) {
    found[count] = static_cast<std::uint16_t>(i);
    count += static_cast<std::size_t>(values[i] >= least);
  };
  if (column_count <= kColumns / 4) {
    for (std::size_t c = 0; c < column_count; ++c) {
      for (std::size_t i = columns[c]; i < values.size(); i += kColumns) look_at(i);
    }
    if (column_count > 1) std::sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(count));
  } else {
    for (std::size_t i = 0; i < values.size(); ++i) look_at(i);
  }
  const std::size_t first = chunk_index * kChunk;
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back({static_cast<std::int32_t>(first + found[i]), values[found[i]], 0});
  }
}

// At least k values are as large, where so many can come; else it is the lowest finite number.
float LogitScan::bound_of_largest(std::size_t k) {
  const std::vector<float>* groups = chunks_.size() >= k ? &chunks_ : &columns_;
  if (groups->size() < k) return kLowest;
  order_ = *groups;
  const auto nth = order_.begin() + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(order_.begin(), nth, order_.end(), std::greater<>());
  return std::max(*nth, kLowest);
}

void LogitScan::select_largest(std::size_t k, std::vector<Candidate>& out) {
  out.clear();
  k = std::min(k, logits_.size());
  if (k == 0 || empty()) return;
  float least = bound_of_largest(k);
  // Where many are above the bound, the list is cut back now and then, which raises it: a later value equal to the
  // k-th best has a larger id than k others that are as good, so from then on only larger ones matter.
  const std::size_t limit = 4 * k + kChunk;
  const auto cut = [&] {
    std::nth_element(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(k - 1), out.end(), better);
    out.resize(k);
    least = std::nextafter(out[k - 1].logit, kInfinity);
  };
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    if (!(chunks_[i] >= least)) continue;
    gather(i, least, out);
    if (out.size() >= limit) cut();
  }
  if (out.size() > k) cut();
  std::sort(out.begin(), out.end(), better);
}

void LogitScan::select_from(float least, std::vector<Candidate>& out) {
  out.clear();
  least = std::max(least, kLowest);
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    if (chunks_[i] >= least) gather(i, least, out);
  }
}

double LogitScan::exponentials(float temperature, float* out) const {
  ExponentialSum sum;
  const std::size_t whole = logits_.size() / kChunk;
  const float scale = 1.0F / temperature;
  kernels_->exponentials(logits_.data(), whole, largest_logit_, scale, out, sum);
  if (whole < chunks_.size()) {
    const auto tail = padded(chunk(whole));
    kernels_->exponentials(tail.data(), 1, largest_logit_, scale, out == nullptr ? nullptr : out + whole * kChunk, sum);
  }
  return sum.total();
}

double LogitScan::sum_of_exponentials(float temperature) const { return exponentials(temperature, nullptr); }

// Tokens are taken by rising key (not negative), equal ones by id, until reached(mass so far) holds. exponentials_ is
// set; what has no mass there is left out. Keys beyond the last bucket are put into it: what is there is negligible, or
// the distribution has nothing else.
template <class KeyOf, class Reached>
void LogitScan::select_by_mass(KeyOf key_of, Reached reached, std::vector<Candidate>& out) {
  constexpr std::size_t kBuckets = 640;
  constexpr float kBucketsPerUnit = 16;  // a power of two: a bucket's bounds are exact
  constexpr float kLastBegins = (kBuckets - 1) / kBucketsPerUnit;
  std::array<double, kBuckets> mass{};
  for (std::size_t i = 0; i < logits_.size(); ++i) {
    if (!(exponentials_[i] > 0)) continue;
    const float key = std::min(key_of(logits_[i]), kLastBegins);
    mass[static_cast<std::size_t>(key * kBucketsPerUnit)] += exponentials_[i];
  }
  std::size_t edge = 0;
  double taken = 0;
  while (edge + 1 < kBuckets && !reached(taken + mass[edge])) taken += mass[edge++];

  const float begin = static_cast<float>(edge) / kBucketsPerUnit;
  const float end = edge + 1 < kBuckets ? static_cast<float>(edge + 1) / kBucketsPerUnit : kInfinity;
  const auto is_sooner = [&](const Candidate& a, const Candidate& b) {
    const float key_a = key_of(a.logit);
    const float key_b = key_of(b.logit);
    return key_a != key_b ? key_a < key_b : a.token < b.token;
  };
  // Whether a token is wanted cannot be foretold, so there is no branch for each.
  places_.resize(logits_.size());
  const auto list = [&](auto wanted, std::vector<Candidate>& found) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < logits_.size(); ++i) {
      places_[count] = static_cast<std::int32_t>(i);
      count +=
          static_cast<std::size_t>(wanted(key_of(logits_[i]), static_cast<std::int32_t>(i)) & (exponentials_[i] > 0));
    }
    found.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto place = static_cast<std::size_t>(places_[i]);
      found[i] = {places_[i], logits_[place], exponentials_[place]};
    }
  };
  list([&](float key, std::int32_t) { return (key >= begin) & (key < end); }, edge_);
  std::sort(edge_.begin(), edge_.end(), is_sooner);
  std::size_t kept = 0;
  while (kept < edge_.size() && (kept == 0 || !reached(taken))) taken += edge_[kept++].p;

  // Where rounding keeps the mass from being reached, the last bucket may be empty, and all are taken.
  const std::int32_t last_token = kept > 0 ? edge_[kept - 1].token : -1;
  const float last_key = kept > 0 ? key_of(edge_[kept - 1].logit) : kInfinity;
  list([&](float key, std::int32_t token) { return (key < last_key) | ((key == last_key) & (token <= last_token)); },
       out);
}

void LogitScan::select_nucleus(float p, std::vector<Candidate>& out) {
  out.clear();
  if (empty()) return;
  const double mass = p * sum_of_exponentials();
  for (const std::size_t count : kNarrow) {
    select_largest(count, out);
    if (cut_at_mass(out, largest_logit_, mass) || out.size() < count) {
      std::sort(out.begin(), out.end(), earlier);
      return;
    }
    // None of the others is likelier than the last of these: so many more cannot have the mass.
    const double most = static_cast<double>(count) + kNarrow[1] * exponential(out.back().logit - largest_logit_);
    if (most < mass) break;
  }
  exponentials_.resize(chunks_.size() * kChunk);
  exponentials(1, exponentials_.data());
  select_by_mass([&](float logit) { return largest_logit_ - logit; }, [&](double taken) { return taken >= mass; }, out);
}

// Both keep the beginning of the sorted vocabulary. So those likely enough for min-p are a part of the nucleus, which
// then need not be known, unless they have its mass; then the nucleus is a part of them.
void LogitScan::select_nucleus(float p, float min_p, std::vector<Candidate>& out) {
  if (min_p <= 0) return select_nucleus(p, out);
  out.clear();
  if (empty()) return;
  select_from(largest_logit_ + std::log(std::min(min_p, 1.0F)), out);
  double mass = 0;
  for (const Candidate& c : out) mass += exponential(c.logit - largest_logit_);
  const double wanted = p * sum_of_exponentials();
  if (mass < wanted) return;
  if (out.size() > kMaxSorted) return select_nucleus(p, out);
  sort_by_logit(out);
  cut_at_mass(out, largest_logit_, wanted);
  std::sort(out.begin(), out.end(), earlier);
}

void LogitScan::select_typical(float p, std::vector<Candidate>& out) {
  out.clear();
  if (empty()) return;
  exponentials_.resize(chunks_.size() * kChunk);
  const double sum = exponentials(1, exponentials_.data());
  // The distance of a token's surprise from the entropy is that of its logit from the mean logit.
  double weighted = 0;
  for (std::size_t i = 0; i < logits_.size(); ++i) {
    if (exponentials_[i] > 0) weighted += static_cast<double>(exponentials_[i]) * (logits_[i] - largest_logit_);
  }
  const auto mean = static_cast<float>(weighted / sum);
  const double mass = p * sum;
  select_by_mass([&](float logit) { return std::fabs((logit - largest_logit_) - mean); },
                 [&](double taken) { return taken > mass; }, out);
}

}  // namespace atelier::engine
