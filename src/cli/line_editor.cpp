#include "cli/line_editor.h"

#include <fmt/format.h>
#include <histedit.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <cwchar>

#include "base/utf8.h"

namespace atelier::cli {
namespace {

constexpr std::size_t kMaxPasteBytes = 16 * 1024 * 1024;
constexpr char kPromptMark = '\1';  // libedit counts no width between two of these

struct Paste {
  std::string placeholder;
  std::string text;
};

}  // namespace

struct LineEditor::State {
  Settings settings;
  std::string prompt;
  EditLine* editor = nullptr;
  History* history = nullptr;
  bool interrupted = false;
  std::vector<Paste> pastes;

  static State& of(EditLine* editor) {
    void* data = nullptr;
    el_get(editor, EL_CLIENTDATA, &data);
    return *static_cast<State*>(data);
  }

  static char* prompt_of(EditLine* editor) { return of(editor).prompt.data(); }

  // One byte, or 0 at the end of input, or -1 after Ctrl+C.
  int next_byte(char& byte) {
    pollfd sources[2] = {{settings.input, POLLIN, 0}, {settings.interrupt_descriptor, POLLIN, 0}};
    while (true) {
      int ready = ::poll(sources, 2, -1);
      if (ready < 0 && errno != EINTR) return -1;
      if (ready <= 0) continue;
      if (sources[1].revents & POLLIN) {
        interrupted = true;
        errno = EINTR;
        return -1;
      }
      ssize_t count = ::read(settings.input, &byte, 1);
      if (count < 0 && errno == EINTR) continue;
      return static_cast<int>(count);
    }
  }

  static int read_character(EditLine* editor, wchar_t* character) {
    State& self = of(editor);
    std::string bytes;
    while (true) {
      char byte = 0;
      int got = self.next_byte(byte);
      if (got <= 0) return got;
      bytes += byte;
      utf8::Decoded decoded = utf8::decode(bytes, 0);
      if (decoded.incomplete) continue;
      *character = static_cast<wchar_t>(decoded.code_point);
      return 1;
    }
  }

  // The terminal brackets what is pasted: ESC[200~ … ESC[201~.
  static unsigned char on_paste(EditLine* editor, int) {
    static constexpr std::string_view kEnd = "\x1b[201~";
    State& self = of(editor);
    std::string text;
    wchar_t character = 0;
    while (text.size() < kMaxPasteBytes && !text.ends_with(kEnd)) {
      if (el_wgetc(editor, &character) != 1) return CC_EOF;
      utf8::append(text, static_cast<char32_t>(character));
    }
    if (text.ends_with(kEnd)) text.resize(text.size() - kEnd.size());
    std::replace(text.begin(), text.end(), '\r', '\n');
    auto lines = std::count(text.begin(), text.end(), '\n') + 1;
    if (lines == 1) return el_insertstr(editor, text.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
    std::string placeholder = fmt::format("[{} pasted lines]", lines);
    auto same = std::count_if(self.pastes.begin(), self.pastes.end(),
                              [&](const Paste& paste) { return paste.placeholder.starts_with(placeholder); });
    if (same > 0) placeholder += fmt::format("#{}", same + 1);
    self.pastes.push_back({placeholder, std::move(text)});
    return el_insertstr(editor, placeholder.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
  }

  static unsigned char on_tab(EditLine* editor, int) {
    State& self = of(editor);
    const LineInfo* line = el_line(editor);
    std::string typed(line->buffer, static_cast<std::size_t>(line->cursor - line->buffer));
    std::string completed = complete_word(typed, self.settings.completions);
    if (completed.size() <= typed.size()) return CC_REFRESH_BEEP;
    return el_insertstr(editor, completed.c_str() + typed.size()) == 0 ? CC_REFRESH : CC_ERROR;
  }

  std::string with_pastes(std::string line) const {
    for (auto paste = pastes.rbegin(); paste != pastes.rend(); ++paste) {
      std::size_t at = line.find(paste->placeholder);
      if (at != std::string::npos) line.replace(at, paste->placeholder.size(), paste->text);
    }
    return line;
  }

  void tell_terminal(const char* sequence) const {
    int output = settings.draw_on_error ? STDERR_FILENO : STDOUT_FILENO;
    [[maybe_unused]] ssize_t written = ::write(output, sequence, std::strlen(sequence));
  }
};

LineEditor::LineEditor(Settings settings) : state_(std::make_unique<State>()) {
  // libedit measures wide characters through the C locale machinery.
  std::setlocale(LC_CTYPE, "");
  if (MB_CUR_MAX < 4) std::setlocale(LC_CTYPE, "C.UTF-8");
  State& state = *state_;
  state.settings = std::move(settings);
  state.prompt = state.settings.colour
                     ? fmt::format("{0}\x1b[32m{0}{1}{0}\x1b[0m{0}", kPromptMark, state.settings.prompt)
                     : state.settings.prompt;
  FILE* drawing = state.settings.draw_on_error ? stderr : stdout;
  state.editor = el_init("lms", stdin, drawing, stderr);
  if (!state.editor) return;
  state.history = history_init();
  HistEvent event;
  history(state.history, &event, H_SETSIZE, 1000);
  history(state.history, &event, H_SETUNIQUE, 1);
  el_set(state.editor, EL_CLIENTDATA, &state);
  el_set(state.editor, EL_PROMPT_ESC, &State::prompt_of, kPromptMark);
  el_set(state.editor, EL_EDITOR, "emacs");
  el_set(state.editor, EL_SIGNAL, 0);
  el_set(state.editor, EL_HIST, history, state.history);
  el_wset(state.editor, EL_GETCFN, &State::read_character);
  // The wide form: the narrow one makes copies of these names that nobody frees.
  el_wset(state.editor, EL_ADDFN, L"lms-paste", L"Insert pasted text", &State::on_paste);
  el_set(state.editor, EL_BIND, "\x1b[200~", "lms-paste", nullptr);
  el_wset(state.editor, EL_ADDFN, L"lms-complete", L"Complete a command", &State::on_tab);
  el_set(state.editor, EL_BIND, "\t", "lms-complete", nullptr);
  el_set(state.editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
}

LineEditor::~LineEditor() {
  if (state_->history) history_end(state_->history);
  if (state_->editor) el_end(state_->editor);
}

LineEditor::Outcome LineEditor::read(std::string& line) {
  State& state = *state_;
  if (!state.editor) return Outcome::kEnd;
  state.interrupted = false;
  state.pastes.clear();
  el_resize(state.editor);
  // libedit itself changes the terminal's mode only after it has drawn the prompt: a Ctrl+D typed between the two would
  // be eaten by the line discipline.
  el_set(state.editor, EL_PREP_TERM, 1);
  state.tell_terminal("\x1b[?2004h");
  int count = 0;
  const char* text = el_gets(state.editor, &count);
  std::string typed = text && count > 0 ? std::string(text, static_cast<std::size_t>(count)) : std::string();
  state.tell_terminal("\x1b[?2004l");
  el_set(state.editor, EL_PREP_TERM, 0);
  if (state.interrupted) {
    el_reset(state.editor);
    return Outcome::kInterrupted;
  }
  if (typed.empty()) return Outcome::kEnd;
  while (typed.ends_with('\n') || typed.ends_with('\r')) typed.pop_back();
  if (typed.find_first_not_of(" \t") != std::string::npos) {
    HistEvent event;
    history(state.history, &event, H_ENTER, typed.c_str());
  }
  line = state.with_pastes(std::move(typed));
  return Outcome::kLine;
}

std::string complete_word(const std::string& typed, const std::vector<std::string>& completions) {
  std::string shared;
  std::size_t fitting = 0;
  for (const std::string& completion : completions) {
    if (typed.empty() || !completion.starts_with(typed)) continue;
    if (fitting++ == 0) {
      shared = completion;
    } else {
      auto [a, b] = std::mismatch(shared.begin(), shared.end(), completion.begin(), completion.end());
      shared.erase(a, shared.end());
    }
  }
  if (fitting == 0) return typed;
  return fitting == 1 ? shared + " " : shared;
}

}  // namespace atelier::cli
