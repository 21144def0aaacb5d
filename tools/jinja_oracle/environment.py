"""Jinja as Hugging Face's apply_chat_template sets it up: the oracle that our interpreter is compared with."""
import datetime
import functools
import json

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment


class GenerationTag(Extension):
    """{% generation %} marks what the assistant said; without a request for that mask it only renders its body."""

    tags = {"generation"}

    def parse(self, parser):
        lineno = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(lineno)

    @jinja2.pass_eval_context
    def _render(self, context, caller):
        return caller()


class RaisedByTemplate(jinja2.exceptions.TemplateError):
    pass


def make_environment(now):
    def raise_exception(message):
        raise RaisedByTemplate(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def strftime_now(format):
        return now.strftime(format)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTag, loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = strftime_now
    return environment


NOW = datetime.datetime(2025, 3, 9, 14, 5, 7, 42)
ENVIRONMENT = make_environment(NOW)


@functools.lru_cache(maxsize=100)
def compiled(template):
    return ENVIRONMENT.from_string(template)


def render(template, variables):
    """What the template gives: {"output": text} or {"error": kind, "message": text}."""
    try:
        text = compiled(template).render(**variables)
        text.encode("utf-8")
        return {"output": text}
    except RaisedByTemplate as error:
        return {"error": "raised", "message": str(error)}
    except jinja2.exceptions.TemplateSyntaxError as error:
        return {"error": "syntax", "message": str(error)}
    except Exception as error:
        return {"error": "runtime", "message": f"{type(error).__name__}: {error}"}
