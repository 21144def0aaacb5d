#!/usr/bin/env python3
"""Writes src/prompt/jinja/unicode_tables.cpp from the Unicode data of the Python that runs it.

Python's string methods are what chat templates were written against, so Python is the source.
Usage: unicode_tables.py > src/prompt/jinja/unicode_tables.cpp
"""
import sys
import unicodedata

POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def ranges(predicate):
    result = []
    for c in POINTS:
        if predicate(chr(c)):
            if result and result[-1][1] == c - 1:
                result[-1][1] = c
            else:
                result.append([c, c])
    return result


def emit_ranges(name, predicate):
    print(f"constexpr Range {name}Data[] = {{")
    line = ""
    for first, last in ranges(predicate):
        item = f"{{{first:#x},{last:#x}}},"
        if len(line) + len(item) > 116:
            print("  " + line)
            line = ""
        line += item
    print("  " + line + "\n};")
    print(f"const Table<Range> {name}{{{name}Data, std::size({name}Data)}};\n")


def emit_mapping(name, function):
    """Runs of code points that map by adding one difference, with a step of 1 or 2; longer results apart."""
    runs, special = [], []
    for c in POINTS:
        out = function(chr(c))
        if out == chr(c):
            continue
        if len(out) > 1:
            special.append((c, out))
            continue
        delta = ord(out) - c
        if runs:
            run = runs[-1]
            if run[3] == delta and c - run[1] in (1, 2) and (run[2] == 0 or run[2] == c - run[1]):
                run[2] = c - run[1]
                run[1] = c
                continue
        runs.append([c, c, 0, delta])
    print(f"constexpr MappedRange {name}Data[] = {{")
    line = ""
    for first, last, step, delta in runs:
        item = f"{{{first:#x},{last:#x},{step or 1},{delta}}},"
        if len(line) + len(item) > 116:
            print("  " + line)
            line = ""
        line += item
    print("  " + line + "\n};")
    print(f"const Table<MappedRange> {name}{{{name}Data, std::size({name}Data)}};\n")
    print(f"constexpr Expansion {name}LongData[] = {{")
    line = ""
    for c, out in special:
        points = [ord(x) for x in out] + [0] * (3 - len(out))
        item = "{%#x,{%s}}," % (c, ",".join(f"{p:#x}" for p in points))
        if len(line) + len(item) > 116:
            print("  " + line)
            line = ""
        line += item
    print("  " + line + "\n};")
    print(f"const Table<Expansion> {name}Long{{{name}LongData, std::size({name}LongData)}};\n")


# Properties that Python does not show directly, seen through what str.title and str.lower do with them.
def cased(c):
    return (c + "a").title()[-1] == "a"


def case_ignorable(c):
    return ("A" + c + "\u03a3").lower()[-1] == "\u03c2" and (c + "\u03a3").lower()[-1] != "\u03c2"


print(f"""// Written by tools/jinja_oracle/unicode_tables.py from Unicode {unicodedata.unidata_version}; not edited by hand.
#include <iterator>

#include "prompt/jinja/unicode_tables.h"

// clang-format off
namespace atelier::prompt::jinja::unicode {{
""")
emit_ranges("kAlpha", str.isalpha)
emit_ranges("kDecimal", str.isdecimal)
emit_ranges("kDigit", str.isdigit)
emit_ranges("kNumeric", str.isnumeric)
emit_ranges("kUnprintable", lambda c: not c.isprintable())
emit_ranges("kLower", str.islower)
emit_ranges("kUpper", str.isupper)
emit_ranges("kTitle", lambda c: unicodedata.category(c) == "Lt")
emit_ranges("kIdentifierStart", str.isidentifier)
emit_ranges("kIdentifierPart", lambda c: ("a" + c).isidentifier())
emit_ranges("kCased", cased)
emit_ranges("kCaseIgnorable", case_ignorable)
emit_ranges("kCombining", lambda c: unicodedata.category(c) in ("Mn", "Mc", "Me"))
emit_mapping("kToLower", str.lower)
emit_mapping("kToUpper", str.upper)
emit_mapping("kToTitle", str.title)
emit_mapping("kToFolded", str.casefold)
print("""}  // namespace atelier::prompt::jinja::unicode""")
