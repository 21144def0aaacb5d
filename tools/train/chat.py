"""The chat format: the same text as chat_template.jinja renders, in pieces that say what is learnt.

A dialogue is {"messages": [...], "tools": [...]}; the messages have OpenAI's form. An assistant message may have
"reasoning_content" and "tool_calls" (a list of {"name", "arguments"}, arguments as an object or as JSON text).
test_chat.py holds this module against the template.
"""

import json
import string

# What the prompt says about thinking: left to the model, asked for, or switched off (enable_thinking).
AUTO, ON, OFF = "auto", "on", "off"

PROMPT_WEIGHT = 0.03


def dumps(value):
    return json.dumps(value, ensure_ascii=False)


def words_of(name):
    """A tool's name as words: "get volcano status" for get_volcano_status and for getVolcanoStatus."""
    words = name.replace("_", " ").replace("-", " ")
    for letter in string.ascii_uppercase:
        words = words.replace(letter, " " + letter.lower())
    return words.strip().replace("  ", " ")


def calls_text(message):
    text = message.get("content") or ""
    for call in message.get("tool_calls") or []:
        call = call.get("function", call)
        arguments = call["arguments"]
        text += "\n" if text else ""
        text += '<tool_call>\n{"name": "' + call["name"] + '", "arguments": '
        text += (arguments if isinstance(arguments, str) else dumps(arguments)) + "}\n</tool_call>"
    return text


def _earlier_calls(message):
    """Calls of an earlier turn, in the pieces in which a server tokenises template and content."""
    text = message.get("content") or ""
    pieces = [text] if text else []
    for call in message["tool_calls"]:
        call = call.get("function", call)
        arguments = call["arguments"]
        pieces.append(("\n" if pieces else "") + '<tool_call>\n{"name": "')
        pieces.append(call["name"])
        pieces.append('", "arguments": ')
        pieces.append(arguments if isinstance(arguments, str) else dumps(arguments))
        pieces.append("}\n</tool_call>")
    return pieces


def segments(messages, tools=None, mode=AUTO):
    """The dialogue as a list of (text, loss weight). Its last message is the assistant's.

    The texts are cut where template and content meet: a server that keeps them apart tokenises them apart.
    """
    parts = []
    first = messages[0]["role"] == "system"
    if first or tools:
        parts.append(("<|im_start|>system\n", PROMPT_WEIGHT))
        if first:
            parts.append((messages[0]["content"], PROMPT_WEIGHT))
        if tools:
            text = ("\n\n" if first else "") + "# Tools\n\nFunctions that may be called:\n<tools>"
            parts.append((text, PROMPT_WEIGHT))
            for tool in tools:
                parts.append(("\n", PROMPT_WEIGHT))
                parts.append((dumps(tool), PROMPT_WEIGHT))
                # What the tool is about, then its name, then what it takes: a token can only know what stands before it, and
                # a thought that has said the one is to go on with the other.
                function = tool.get("function", tool)
                pieces = ["\nFor ", words_of(function["name"]), " (", function["name"]]
                for i, key in enumerate((function.get("parameters") or {}).get("properties") or {}):
                    pieces += [", " if i else ": ", key]
                parts += [(piece, PROMPT_WEIGHT) for piece in pieces + [")"]]
            parts.append(('\n</tools>\n\nA call is written:\n<tool_call>\n{"name": <name>, "arguments": <object>}\n</tool_call>',
                          PROMPT_WEIGHT))
        parts.append(("<|im_end|>\n", PROMPT_WEIGHT))
    last_query = max((i for i, m in enumerate(messages) if m["role"] == "user"), default=len(messages) - 1)
    last = len(messages) - 1
    for i, message in enumerate(messages):
        role = message["role"]
        if role == "user" or (role == "system" and i):
            parts += [(f"<|im_start|>{role}\n", 0.0), (message["content"], PROMPT_WEIGHT), ("<|im_end|>\n", PROMPT_WEIGHT)]
        elif role == "assistant":
            thought = message.get("reasoning_content") or ""
            head, body = "<|im_start|>assistant\n", ""
            if i == last:
                if mode == OFF:
                    head, thought = head + "<think>\n\n</think>\n\n", ""
                elif mode == ON:
                    head += "<think>\n"
                    body = thought + "\n</think>\n\n"
                elif thought:
                    body = "<think>\n" + thought + "\n</think>\n\n"
            elif thought and i > last_query:
                body = "<think>\n" + thought + "\n</think>\n\n"
            parts.append((head, 0.0))
            if i < last and message.get("tool_calls"):
                # Whether to think, to call or to talk is not learnt here, where the thought is left out; the call is.
                if body:
                    parts.append((body, PROMPT_WEIGHT))
                pieces = _earlier_calls(message)
                parts += [(pieces[0], 0.0)] + [(piece, 1.0) for piece in pieces[1:]] + [("<|im_end|>", 1.0), ("\n", 0.0)]
            else:
                parts.append((body + calls_text(message) + "<|im_end|>", message.get("weight", 1.0)))
                parts.append(("\n", 0.0))
        elif role == "tool":
            text = ""
            if i == 0 or messages[i - 1]["role"] != "tool":
                text = "<|im_start|>user"
            parts.append((text + "\n<tool_response>\n", PROMPT_WEIGHT))
            parts.append((message["content"], PROMPT_WEIGHT))
            text = "\n</tool_response>"
            if i == last or messages[i + 1]["role"] != "tool":
                text += "<|im_end|>\n"
            parts.append((text, PROMPT_WEIGHT))
    return parts


def prompt(messages, tools=None, mode=AUTO):
    """The text that the model continues."""
    dialogue = messages + [{"role": "assistant", "content": ""}]
    parts = segments(dialogue, tools, mode)[:-2]
    return "".join(text for text, _ in parts)
