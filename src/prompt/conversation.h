// A conversation in the shape that a template can take: what it does not know is said in what it knows.
//
// - developer is system and function is tool. Several system messages become one, in order, at the front.
// - Where the template has no system role, that text goes before the first user message.
// - Where it wants user and assistant to alternate, neighbours of one role become one message.
// - Where it writes no calls, they are written as text, in the model's own format or the default one; where it has
//   no tool messages, results are the user's, as [TOOL_RESULT]…[END_TOOL_RESULT].
// - Images are the template's to mark: it is given {"type": "image"} where they stand.
// - Text parts are joined with newlines, or handed over as parts where the template goes through them.
#pragma once

#include <string>
#include <vector>

#include "prompt/capabilities.h"
#include "prompt/jinja/template.h"
#include "prompt/message.h"

namespace atelier::prompt {

// - Tools that the template cannot show, or whose calls it cannot say how to write, are described in the system
//   message, and all of this conversation's calls are then in the default format.
std::vector<Message> adapt(std::vector<Message> messages, const TemplateCapabilities& capabilities,
                           const json::Array& tools = {});

// The variable `messages`. Roles and the names of members are ours and count as template text, so that a
// template may build a special token from a role; everything that the client wrote is content.
jinja::Value messages_value(const std::vector<Message>& messages, const TemplateCapabilities& capabilities);

void set_special_tokens(jinja::Variables& variables, const SpecialTokens& special);

bool has_image(const Message& message);

// The text of all parts that are text, a newline between them.
std::string joined_text(const Message& message);

}  // namespace atelier::prompt
