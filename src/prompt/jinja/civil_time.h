// A local date and time, and Python's strftime for it in the C locale.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/error.h"

namespace atelier::prompt {

struct CivilTime {
  int year = 1970;
  int month = 1;  // 1 to 12
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int microsecond = 0;

  static CivilTime from(std::chrono::local_time<std::chrono::microseconds> time);
  // "2025-03-09", "2025-03-09T14:05", "2025-03-09 14:05:07.5": a date with or without a time of day, years 1 to 9999.
  // A "Z" or an offset at the end is allowed and changes nothing: the fields are taken as they are written.
  static Result<CivilTime> parse(std::string_view text);
};

namespace jinja {

// Throws TemplateException where the result would be far too long.
std::string format_time(std::string_view format, const CivilTime& time);

}  // namespace jinja
}  // namespace atelier::prompt
