#include "cli/picker.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/utf8.h"
#include "cli/console.h"
#include "cli/format.h"
#include "cli/fuzzy.h"

namespace atelier::cli {
namespace {

constexpr std::ptrdiff_t kPage = 10;
constexpr std::size_t kMaxRows = 14;
constexpr int kEscapePatienceMs = 50;

constexpr std::array<std::pair<std::string_view, Key>, 14> kSequences = {{
    {"\x1b[A", Key::kUp},
    {"\x1bOA", Key::kUp},
    {"\x1b[B", Key::kDown},
    {"\x1bOB", Key::kDown},
    {"\x1b[5~", Key::kPageUp},
    {"\x1b[6~", Key::kPageDown},
    {"\x1b[H", Key::kHome},
    {"\x1bOH", Key::kHome},
    {"\x1b[1~", Key::kHome},
    {"\x1b[F", Key::kEnd},
    {"\x1bOF", Key::kEnd},
    {"\x1b[4~", Key::kEnd},
    {"\x1b[7~", Key::kHome},
    {"\x1b[8~", Key::kEnd},
}};

Key control_key(char c) {
  switch (c) {
    case '\r':
    case '\n': return Key::kEnter;
    case 0x03:
    case 0x04: return Key::kCancel;
    case 0x08:
    case 0x7F: return Key::kBackspace;
    case 0x0E: return Key::kDown;   // Ctrl+N
    case 0x10: return Key::kUp;     // Ctrl+P
    case 0x15: return Key::kClear;  // Ctrl+U
    default: return Key::kOther;
  }
}

// The length of the key press that begins the bytes; 0 where more bytes are needed.
std::size_t read_key(std::string_view bytes, KeyPress& press) {
  if (bytes[0] == '\x1b') {
    if (bytes.size() < 2) return 0;
    if (bytes[1] != '[' && bytes[1] != 'O') {
      press = {Key::kOther, {}};
      return 2;
    }
    std::size_t end = 2;
    while (end < bytes.size() && (bytes[end] < '@' || bytes[end] > '~')) ++end;
    if (end == bytes.size()) return 0;
    std::string_view sequence = bytes.substr(0, end + 1);
    press = {Key::kOther, {}};
    for (const auto& [text, key] : kSequences) {
      if (text == sequence) press.key = key;
    }
    return sequence.size();
  }
  unsigned char first = static_cast<unsigned char>(bytes[0]);
  if (first < 0x20 || first == 0x7F) {
    press = {control_key(bytes[0]), {}};
    return 1;
  }
  utf8::Decoded next = utf8::decode(bytes, 0);
  if (next.incomplete) return 0;
  press = next.valid ? KeyPress{Key::kText, std::string(bytes.substr(0, next.length))} : KeyPress{};
  return next.length;
}

class RawMode {
 public:
  explicit RawMode(int terminal) : terminal_(terminal) {
    active_ = ::tcgetattr(terminal, &before_) == 0;
    if (!active_) return;
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG | IEXTEN);
    raw.c_iflag &= ~static_cast<tcflag_t>(IXON | ICRNL);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    ::tcsetattr(terminal, TCSADRAIN, &raw);
  }
  ~RawMode() {
    if (active_) ::tcsetattr(terminal_, TCSADRAIN, &before_);
  }
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;

 private:
  int terminal_;
  bool active_ = false;
  termios before_{};
};

void write_all(int output, std::string_view text) {
  while (!text.empty()) {
    ssize_t count = ::write(output, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

std::string highlighted(std::string_view name, const std::vector<std::size_t>& positions, bool colour) {
  if (!colour) return std::string(name);
  std::string text;
  std::size_t next = 0;
  for (std::size_t at = 0; at < name.size(); ++at) {
    bool matched = next < positions.size() && positions[next] == at;
    if (matched) ++next;
    text += matched ? paint(Paint::kCyan, name.substr(at, 1), true) : std::string(1, name[at]);
  }
  return text;
}

}  // namespace

std::vector<KeyPress> KeyReader::feed(std::string_view bytes) {
  pending_.append(bytes);
  std::vector<KeyPress> presses;
  std::size_t at = 0;
  while (at < pending_.size()) {
    KeyPress press;
    std::size_t length = read_key(std::string_view(pending_).substr(at), press);
    if (length == 0) break;
    presses.push_back(std::move(press));
    at += length;
  }
  pending_.erase(0, at);
  return presses;
}

std::vector<KeyPress> KeyReader::flush() {
  bool escape = pending_ == "\x1b";
  pending_.clear();
  return {KeyPress{escape ? Key::kCancel : Key::kOther, {}}};
}

Picker::Picker(std::string title, std::vector<std::string> names, std::vector<std::string> notes)
    : title_(std::move(title)), names_(std::move(names)), notes_(std::move(notes)) {
  notes_.resize(names_.size());
  filter();
}

void Picker::filter() {
  std::vector<std::pair<MatchRank, std::size_t>> ranked;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (auto match = fuzzy_match(query_, names_[i])) ranked.emplace_back(match->rank, i);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  shown_.clear();
  for (const auto& [rank, index] : ranked) shown_.push_back(index);
  cursor_ = 0;
}

void Picker::move(std::ptrdiff_t by) {
  if (shown_.empty()) return;
  auto last = static_cast<std::ptrdiff_t>(shown_.size()) - 1;
  cursor_ = static_cast<std::size_t>(std::clamp(static_cast<std::ptrdiff_t>(cursor_) + by, std::ptrdiff_t{0}, last));
}

Picker::Outcome Picker::press(const KeyPress& press) {
  switch (press.key) {
    case Key::kText:
      query_ += press.text;
      filter();
      break;
    case Key::kBackspace:
      while (!query_.empty() && (static_cast<unsigned char>(query_.back()) & 0xC0) == 0x80) query_.pop_back();
      if (!query_.empty()) query_.pop_back();
      filter();
      break;
    case Key::kClear:
      query_.clear();
      filter();
      break;
    case Key::kUp: move(-1); break;
    case Key::kDown: move(1); break;
    case Key::kPageUp: move(-kPage); break;
    case Key::kPageDown: move(kPage); break;
    case Key::kHome: cursor_ = 0; break;
    case Key::kEnd: move(static_cast<std::ptrdiff_t>(shown_.size())); break;
    case Key::kEnter:
      if (!shown_.empty()) return Outcome::kChosen;
      break;
    case Key::kCancel: return Outcome::kCancelled;
    case Key::kOther: break;
  }
  return Outcome::kOpen;
}

std::optional<std::size_t> Picker::current() const {
  if (shown_.empty()) return std::nullopt;
  return shown_[cursor_];
}

std::vector<std::string> Picker::render(std::size_t columns, std::size_t rows, bool colour) const {
  std::vector<std::string> lines;
  lines.push_back(
      fit_width(fmt::format("{} {} {}", paint(Paint::kGreen, "?", colour), paint(Paint::kBold, title_, colour), query_),
                columns));
  std::size_t room = rows > 2 ? rows - 2 : 1;
  std::size_t first = cursor_ >= room ? cursor_ - room + 1 : 0;
  for (std::size_t i = first; i < shown_.size() && i < first + room; ++i) {
    const std::string& name = names_[shown_[i]];
    auto match = fuzzy_match(query_, name);
    std::string line = i == cursor_ ? paint(Paint::kCyan, "❯ ", colour) : "  ";
    line += highlighted(name, match && !query_.empty() ? match->positions : std::vector<std::size_t>(), colour);
    if (!notes_[shown_[i]].empty()) line += " " + paint(Paint::kDim, notes_[shown_[i]], colour);
    lines.push_back(fit_width(line, columns) + (colour ? "\x1b[0m" : ""));
  }
  std::string hint = shown_.empty() ? "nothing matches; Backspace to widen"
                                    : fmt::format("{} of {}; type to filter, arrows to move, Enter to accept",
                                                  cursor_ + 1, shown_.size());
  lines.push_back(paint(Paint::kDim, fit_width("  " + hint, columns), colour));
  return lines;
}

std::optional<std::size_t> pick(Picker& picker, int input, int output, bool colour) {
  RawMode raw(input);
  KeyReader reader;
  std::size_t drawn = 0;
  auto wipe = [&] {
    if (drawn > 1) write_all(output, fmt::format("\x1b[{}A", drawn - 1));
    write_all(output, "\r\x1b[J");
  };
  Picker::Outcome outcome = Picker::Outcome::kOpen;
  while (outcome == Picker::Outcome::kOpen) {
    winsize size{};
    bool known = ::ioctl(output, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
    auto lines = picker.render(known ? size.ws_col - 1u : 79u,
                               std::min<std::size_t>(kMaxRows, known ? size.ws_row : 24u), colour);
    std::string screen;
    for (std::size_t i = 0; i < lines.size(); ++i) screen += (i ? "\r\n" : "") + lines[i];
    if (drawn) wipe();
    write_all(output, screen);
    drawn = lines.size();

    pollfd source{input, POLLIN, 0};
    int ready = ::poll(&source, 1, reader.pending() ? kEscapePatienceMs : -1);
    if (ready < 0 && errno == EINTR) continue;
    std::vector<KeyPress> presses;
    if (ready == 0) {
      presses = reader.flush();
    } else {
      char bytes[256];
      ssize_t count = ::read(input, bytes, sizeof bytes);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      presses = reader.feed({bytes, static_cast<std::size_t>(count)});
    }
    for (const KeyPress& press : presses) {
      outcome = picker.press(press);
      if (outcome != Picker::Outcome::kOpen) break;
    }
  }
  wipe();
  if (outcome != Picker::Outcome::kChosen) return std::nullopt;
  return picker.current();
}

}  // namespace atelier::cli
