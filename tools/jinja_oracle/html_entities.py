#!/usr/bin/env python3
"""Writes src/prompt/jinja/html_entities_table.cpp: the named character references of HTML 5, as Python's html module has them.

Usage: html_entities.py > src/prompt/jinja/html_entities_table.cpp
"""
import html.entities

WIDTH = 116


def literal(text):
    """UTF-8 in escapes, each of three octal digits, so that nothing after it is taken for a digit."""
    return '"' + "".join(f"\\{byte:03o}" for byte in text.encode("utf-8")) + '"'


print("""// Written by tools/jinja_oracle/html_entities.py; not edited by hand.
#include <iterator>

#include "prompt/jinja/html_entities.h"

// clang-format off
namespace atelier::prompt::jinja::html {

constexpr Entity kEntityData[] = {""")
line = ""
for name, text in sorted(html.entities.html5.items()):
    item = f'{{"{name}",{literal(text)}}},'
    if len(line) + len(item) > WIDTH:
        print("  " + line)
        line = ""
    line += item
print("  " + line + "\n};")
print("const std::span<const Entity> kEntities{kEntityData, std::size(kEntityData)};\n")
print("}  // namespace atelier::prompt::jinja::html")
