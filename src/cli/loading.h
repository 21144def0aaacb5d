// Loading a model while somebody watches.
#pragma once

#include <string>

#include "cli/interrupt.h"
#include "cli/shell.h"

namespace atelier::cli {

// Loads with a progress bar (terminals only) under the name `label`, and remembers the model as used lately. Ctrl+C
// ends the load: kCancelled, "Load cancelled.".
Result<client::LoadResult> load_with_progress(Shell& shell, client::Client& client, const client::LoadRequest& request,
                                              const std::string& label, Interrupt& interrupt);

}  // namespace atelier::cli
