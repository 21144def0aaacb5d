// The shape of the generated tables (unicode_tables.cpp).
#pragma once

#include <cstddef>
#include <cstdint>

namespace atelier::prompt::jinja::unicode {

struct Range {
  std::uint32_t first, last;
};

// Every step-th code point from first to last maps to itself plus delta.
struct MappedRange {
  std::uint32_t first, last;
  std::int32_t step, delta;
};

// A code point that maps to two or three; unused ones are 0.
struct Expansion {
  std::uint32_t from;
  std::uint32_t to[3];
};

template <class Row>
struct Table {
  const Row* rows;
  std::size_t size;
};

extern const Table<Range> kAlpha, kDecimal, kDigit, kNumeric, kUnprintable, kLower, kUpper, kTitle, kIdentifierStart,
    kIdentifierPart, kCased, kCaseIgnorable, kCombining;
extern const Table<MappedRange> kToLower, kToUpper, kToTitle, kToFolded;
extern const Table<Expansion> kToLowerLong, kToUpperLong, kToTitleLong, kToFoldedLong;

}  // namespace atelier::prompt::jinja::unicode
