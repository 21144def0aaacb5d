#include "cli/loading.h"

#include <fmt/format.h>

#include "cli/format.h"
#include "cli/preferences.h"

namespace atelier::cli {

Result<client::LoadResult> load_with_progress(Shell& shell, client::Client& client, const client::LoadRequest& request,
                                              const std::string& label, Interrupt& interrupt) {
  std::stop_source stop;
  auto loaded = [&] {
    interrupt.clear();
    Interrupt::Watch watch(interrupt, [&stop] { stop.request_stop(); });
    Progress progress(shell.console);
    std::string text = "Loading " + printable(label);
    progress.show(text, 0);
    return client.load(request, [&](double fraction) { progress.show(text, fraction); }, stop.get_token());
  }();
  if (!loaded && loaded.error().code == ErrorCode::kCancelled && stop.stop_requested()) {
    return fail(ErrorCode::kCancelled, "Load cancelled.");
  }
  if (!loaded) return loaded;
  Preferences preferences = Preferences::read(shell.environment.home);
  preferences.remember_loaded(label);
  if (auto saved = preferences.save(); !saved) shell.console.debug(saved.error().message);
  return loaded;
}

}  // namespace atelier::cli
