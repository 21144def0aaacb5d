// The inference library's log: its lines go to a sink (the connection), and the last lines that tell of an
// error are kept, because functions of the library that fail say why only there.
//
// The library has one log for the whole process, written from whichever thread works in it; so is this.
#pragma once

#include <functional>
#include <string>

namespace atelier::engine {

enum class LibraryLogLevel { kDebug, kInfo, kWarn, kError };

class LibraryLog {
 public:
  using Sink = std::function<void(LibraryLogLevel level, const std::string& line)>;

  // Routes the log to the sink until destroyed; one at a time. The sink must not block.
  explicit LibraryLog(Sink sink);
  ~LibraryLog();
  LibraryLog(const LibraryLog&) = delete;
  LibraryLog& operator=(const LibraryLog&) = delete;

  // Listens in while it lives, on every line, debugging ones too; others may be spared them meanwhile.
  // One at a time, with or without a LibraryLog.
  class Tap {
   public:
    enum class Others { kHear, kAreSpared };
    Tap(Sink sink, Others others);
    ~Tap();
    Tap(const Tap&) = delete;
    Tap& operator=(const Tap&) = delete;
  };

  // Forgets the kept error lines: before a call whose reasons are wanted.
  static void clear_errors();
  // Them, joined; empty where there are none.
  static std::string errors();
};

}  // namespace atelier::engine
