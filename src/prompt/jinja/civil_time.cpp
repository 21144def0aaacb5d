#include "prompt/jinja/civil_time.h"

#include <algorithm>
#include <chrono>

#include "prompt/jinja/error.h"

namespace atelier::prompt {

CivilTime CivilTime::from(std::chrono::local_time<std::chrono::microseconds> time) {
  const auto midnight = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(midnight);
  const auto since = (time - midnight).count();
  CivilTime result;
  result.year = static_cast<int>(date.year());
  result.month = static_cast<int>(static_cast<unsigned>(date.month()));
  result.day = static_cast<int>(static_cast<unsigned>(date.day()));
  result.hour = static_cast<int>(since / 3'600'000'000);
  result.minute = static_cast<int>(since / 60'000'000 % 60);
  result.second = static_cast<int>(since / 1'000'000 % 60);
  result.microsecond = static_cast<int>(since % 1'000'000);
  return result;
}

namespace {

// Reads an ISO time from left to right; each step is false where the text does not go on as it should.
class TimeReader {
 public:
  explicit TimeReader(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  bool sign(std::string_view any_of) {
    if (rest_.empty() || any_of.find(rest_.front()) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool digits(std::size_t count, int least, int most, int& value) {
    if (rest_.size() < count) return false;
    value = 0;
    for (const char c : rest_.substr(0, count)) {
      if (c < '0' || c > '9') return false;
      value = value * 10 + (c - '0');
    }
    rest_.remove_prefix(count);
    return value >= least && value <= most;
  }
  // Digits after the point, as microseconds; more than six are cut off.
  bool fraction(int& microseconds) {
    std::size_t length = 0;
    int scale = 100'000;
    microseconds = 0;
    for (; length < rest_.size() && rest_[length] >= '0' && rest_[length] <= '9'; ++length, scale /= 10) {
      microseconds += (rest_[length] - '0') * scale;
    }
    rest_.remove_prefix(length);
    return length > 0;
  }

 private:
  std::string_view rest_;
};

bool read_offset(TimeReader& in) {
  if (in.done()) return true;
  if (in.sign("Zz")) return in.done();
  int hours = 0, minutes = 0;
  if (!in.sign("+-") || !in.digits(2, 0, 23, hours)) return false;
  if (in.done()) return true;
  (void)in.sign(":");
  return in.digits(2, 0, 59, minutes) && in.done();
}

bool read_time(TimeReader& in, CivilTime& time) {
  if (!in.digits(4, 1, 9999, time.year) || !in.sign("-") || !in.digits(2, 1, 12, time.month) || !in.sign("-") ||
      !in.digits(2, 1, 31, time.day)) {
    return false;
  }
  const std::chrono::year_month_day date(std::chrono::year(time.year),
                                         std::chrono::month(static_cast<unsigned>(time.month)),
                                         std::chrono::day(static_cast<unsigned>(time.day)));
  if (!date.ok()) return false;
  if (in.done()) return true;
  if (!in.sign("Tt ") || !in.digits(2, 0, 23, time.hour) || !in.sign(":") || !in.digits(2, 0, 59, time.minute)) {
    return false;
  }
  if (in.sign(":") && !in.digits(2, 0, 59, time.second)) return false;
  if (in.sign(".,") && !in.fraction(time.microsecond)) return false;
  return read_offset(in);
}

}  // namespace

Result<CivilTime> CivilTime::parse(std::string_view text) {
  TimeReader in(text);
  CivilTime time;
  if (read_time(in, time)) return time;
  return fail(ErrorCode::kInvalidRequest,
              "'" + std::string(text.substr(0, 64)) + "' is no time; write it as 2025-03-09 or 2025-03-09T14:05:07");
}

namespace jinja {
namespace {

constexpr std::string_view kDays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
constexpr std::string_view kMonths[] = {"January", "February", "March",     "April",   "May",      "June",
                                        "July",    "August",   "September", "October", "November", "December"};

class TimeFormatter {
 public:
  explicit TimeFormatter(const CivilTime& time) : time_(time) {
    const std::chrono::year_month_day date(std::chrono::year(time.year),
                                           std::chrono::month(static_cast<unsigned>(time.month)),
                                           std::chrono::day(static_cast<unsigned>(time.day)));
    const std::chrono::sys_days days(date);
    days_since_epoch_ = days.time_since_epoch().count();
    weekday_ = static_cast<int>(std::chrono::weekday(days).c_encoding());
    year_day_ = static_cast<int>((days - std::chrono::sys_days(date.year() / 1 / 1)).count());
  }

  std::string run(std::string_view format) {
    std::string out;
    for (std::size_t at = 0; at < format.size(); ++at) {
      if (format[at] != '%' || at + 1 == format.size()) {
        out += format[at];
        continue;
      }
      const std::size_t begin = at++;
      char flag = 0;
      while (at < format.size() && std::string_view("-_0^#").find(format[at]) != std::string_view::npos)
        flag = format[at++];
      std::size_t width = 0;
      while (at < format.size() && format[at] >= '0' && format[at] <= '9') {
        width = std::min<std::size_t>(1000, width * 10 + static_cast<std::size_t>(format[at++] - '0'));
      }
      if (at < format.size() && (format[at] == 'E' || format[at] == 'O')) ++at;
      std::string piece;
      if (at >= format.size() || !convert(format[at], flag, width, piece)) {
        out += format.substr(begin, at - begin + 1);
        continue;
      }
      out += piece;
      if (out.size() > 65536) raise_runtime("the date format is too long");
    }
    return out;
  }

 private:
  static std::string number(std::int64_t value, std::size_t digits, char pad, char flag, std::size_t width) {
    if (flag == '-') return std::to_string(value);
    if (flag == '_') pad = ' ';
    if (flag == '0') pad = '0';
    std::string text = std::to_string(value < 0 ? -value : value);
    digits = std::max(digits, width);
    if (text.size() < digits) text.insert(0, digits - text.size(), pad);
    return value < 0 ? "-" + text : text;
  }

  static std::string name(std::string_view text, char flag, std::size_t width) {
    std::string result(text);
    if (flag == '^' || flag == '#') {
      for (char& c : result) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
    }
    if (result.size() < width) result.insert(0, width - result.size(), flag == '0' ? '0' : ' ');
    return result;
  }

  int hour12() const { return time_.hour % 12 == 0 ? 12 : time_.hour % 12; }

  // ISO 8601 week and its year: the week of a day is that of its Thursday.
  std::pair<int, int> iso_week() const {
    const int monday_based = (weekday_ + 6) % 7;
    const int thursday = year_day_ - monday_based + 3;
    const auto length = [](int year) { return std::chrono::year(year).is_leap() ? 366 : 365; };
    if (thursday < 0) return {time_.year - 1, (thursday + length(time_.year - 1)) / 7 + 1};
    if (thursday >= length(time_.year)) return {time_.year + 1, (thursday - length(time_.year)) / 7 + 1};
    return {time_.year, thursday / 7 + 1};
  }

  bool convert(char what, char flag, std::size_t width, std::string& out) {
    const auto put = [&](std::int64_t value, std::size_t digits, char pad = '0') {
      out = number(value, digits, pad, flag, width);
      return true;
    };
    const auto put_name = [&](std::string_view text) {
      out = name(text, flag, width);
      return true;
    };
    switch (what) {
      case 'a': return put_name(kDays[weekday_].substr(0, 3));
      case 'A': return put_name(kDays[weekday_]);
      case 'b':
      case 'h': return put_name(kMonths[time_.month - 1].substr(0, 3));
      case 'B': return put_name(kMonths[time_.month - 1]);
      case 'c': return put_name(run("%a %b %e %H:%M:%S %Y"));
      case 'C': return put(time_.year / 100, 2);
      case 'd': return put(time_.day, 2);
      case 'D':
      case 'x': return put_name(run("%m/%d/%y"));
      case 'e': return put(time_.day, 2, ' ');
      case 'f': return put(time_.microsecond, 6);
      case 'F': return put_name(run("%Y-%m-%d"));
      case 'g': return put(iso_week().first % 100, 2);
      case 'G': return put(iso_week().first, 4);
      case 'H': return put(time_.hour, 2);
      case 'I': return put(hour12(), 2);
      case 'j': return put(year_day_ + 1, 3);
      case 'k': return put(time_.hour, 2, ' ');
      case 'l': return put(hour12(), 2, ' ');
      case 'm': return put(time_.month, 2);
      case 'M': return put(time_.minute, 2);
      case 'n': out.assign(1, '\n'); return true;
      case 'p':
        if (flag == '#') {
          out = std::string(time_.hour < 12 ? "am" : "pm");
          return true;
        }
        return put_name(time_.hour < 12 ? "AM" : "PM");
      case 'P': return put_name(time_.hour < 12 ? "am" : "pm");
      case 'r': return put_name(run("%I:%M:%S %p"));
      case 'R': return put_name(run("%H:%M"));
      case 's': return put((days_since_epoch_ * 24 + time_.hour) * 3600 + time_.minute * 60 + time_.second, 1);
      case 'S': return put(time_.second, 2);
      case 't': out.assign(1, '\t'); return true;
      case 'T':
      case 'X': return put_name(run("%H:%M:%S"));
      case 'u': return put(weekday_ == 0 ? 7 : weekday_, 1);
      case 'U': return put((year_day_ + 7 - weekday_) / 7, 2);
      case 'V': return put(iso_week().second, 2);
      case 'w': return put(weekday_, 1);
      case 'W': return put((year_day_ + 7 - (weekday_ + 6) % 7) / 7, 2);
      case 'y': return put(time_.year % 100, 2);
      case 'Y': return put(time_.year, 1);
      case 'z':
      case 'Z': out.clear(); return true;  // the time has no zone
      case '%': out.assign(1, '%'); return true;
      default: return false;
    }
  }

  const CivilTime& time_;
  std::int64_t days_since_epoch_ = 0;
  int weekday_ = 0;   // 0 is Sunday
  int year_day_ = 0;  // 0 is January 1st
};

}  // namespace

std::string format_time(std::string_view format, const CivilTime& time) {
  CivilTime valid = time;
  valid.year = std::clamp(valid.year, 1, 9999);
  valid.month = std::clamp(valid.month, 1, 12);
  valid.day = std::clamp(valid.day, 1, 31);
  return TimeFormatter(valid).run(format);
}

}  // namespace jinja
}  // namespace atelier::prompt
