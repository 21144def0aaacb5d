#include "base/metrics.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/utf8.h"

namespace atelier::metrics {
namespace {

void append_escaped(std::string& out, std::string_view text, bool in_quotes) {
  for (const char c : text) {
    switch (c) {
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '"': out += in_quotes ? "\\\"" : "\""; break;
      default: out += c;
    }
  }
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

}  // namespace

void Histogram::observe(double value) {
  if (std::isnan(value)) return;
  const auto bucket = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
  ++counts_[static_cast<std::size_t>(bucket)];
  sum_ += value;
}

void Text::family(std::string_view name, Type type, std::string_view help) {
  name_ = name;
  type_ = type == Type::kCounter ? "counter" : type == Type::kGauge ? "gauge" : "histogram";
  help_ = help;
  head_written_ = false;
}

void Text::head() {
  if (std::exchange(head_written_, true)) return;
  text_ += fmt::format("# HELP {} ", name_);
  append_escaped(text_, help_, false);
  text_ += fmt::format("\n# TYPE {} {}\n", name_, type_);
}

void Text::line(std::string_view suffix, Labels labels, std::string_view bound, std::string_view value) {
  text_ += name_;
  text_ += suffix;
  char before = '{';
  const auto add = [&](std::string_view name, std::string_view label) {
    text_ += std::exchange(before, ',');
    text_ += name;
    text_ += "=\"";
    append_escaped(text_, utf8::repair(label), true);
    text_ += '"';
  };
  for (const auto& [name, label] : labels) add(name, label);
  if (!bound.empty()) add("le", bound);
  if (before == ',') text_ += '}';
  text_ += ' ';
  text_ += value;
  text_ += '\n';
}

void Text::sample(Labels labels, std::uint64_t value) {
  head();
  line("", labels, "", std::to_string(value));
}

void Text::sample(Labels labels, double value) {
  head();
  line("", labels, "", number(value));
}

void Text::histogram(Labels labels, const Histogram& histogram) {
  this->histogram(labels, histogram.bounds(), histogram.counts(), histogram.sum());
}

void Text::histogram(Labels labels, const HistogramCounts& histogram) {
  if (histogram.counts.size() != histogram.bounds.size() + 1) return;
  this->histogram(labels, histogram.bounds, histogram.counts, histogram.sum);
}

void Text::histogram(Labels labels, std::span<const double> bounds, std::span<const std::uint64_t> counts, double sum) {
  head();
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    count += counts[i];
    line("_bucket", labels, i == bounds.size() ? "+Inf" : number(bounds[i]), std::to_string(count));
  }
  line("_sum", labels, "", number(sum));
  line("_count", labels, "", std::to_string(count));
}

}  // namespace atelier::metrics
