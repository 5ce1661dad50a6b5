"""Templates of messages: Jinja2 in a language so small that every template ends soon. Pure.

What Jinja2 calls a sandbox keeps a template from Python, not from taking for ever. So a template is read before it is
compiled, and has only what stands in ALLOWED: no calls, no assignments, no macros, no loop within a loop, no
multiplication, and a few filters that take no longer than what they are given. What it writes is counted while it is
written, and so is the time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

SOURCE_LIMIT = 4_000
OUTPUT_LIMIT = 20_000
SECONDS = 0.5
VALUE_LIMIT = 2_000
ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem,
    nodes.If, nodes.For, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg,
    nodes.Add, nodes.Sub, nodes.Concat, nodes.Filter, nodes.Test, nodes.Keyword,
)  # fmt: skip
FILTERS = frozenset({"capitalize", "default", "first", "join", "last", "length", "lower", "trim", "upper"})
TESTS = frozenset({"defined", "none", "undefined", "eq", "ne", "lt", "gt", "le", "ge", "in"})


class Faulty(Exception):
    """A template that cannot be used, and why; it never quotes a value."""


def render(source: str, values: Mapping[str, Any]) -> str:
    """What the template says of these values: texts, whole numbers, flags, None and lists of texts.

    Raises Faulty, also where it takes too long or says too much.
    """
    template = _compiled(source)
    until = time.monotonic() + SECONDS
    written: list[str] = []
    size = 0
    try:
        for part in template.generate(_bounded(values)):
            written.append(part)
            size += len(part)
            if size > OUTPUT_LIMIT:
                raise Faulty(f"it says more than {OUTPUT_LIMIT} characters")
            if time.monotonic() > until:
                raise Faulty(f"it takes longer than {SECONDS:g} s")
    except Faulty:
        raise
    except Exception as error:
        raise Faulty(_spelled(error)) from error
    said = "".join(written).strip()
    if not said:
        raise Faulty("it says nothing")
    return said


def template_fault(source: str) -> str | None:
    """Why a template cannot be used, as far as that can be told without values."""
    try:
        _compiled(source)
    except Faulty as error:
        return str(error)
    return None


@lru_cache(maxsize=256)
def _compiled(source: str) -> Template:
    if len(source) > SOURCE_LIMIT:
        raise Faulty(f"a template has at most {SOURCE_LIMIT} characters")
    try:
        tree = _ENVIRONMENT.parse(source)
        _look_through(tree, within_loop=False)
        return _ENVIRONMENT.from_string(source)
    except Faulty:
        raise
    except Exception as error:
        raise Faulty(_spelled(error)) from error


def _look_through(node: nodes.Node, *, within_loop: bool) -> None:
    line = f"line {node.lineno}: " if node.lineno else ""
    if not isinstance(node, ALLOWED):
        raise Faulty(f"{line}{type(node).__name__.lower()} is not allowed in a template")
    if isinstance(node, nodes.For):
        if within_loop or node.recursive:
            raise Faulty(f"{line}a loop within a loop is not allowed in a template")
        within_loop = True
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        raise Faulty(f"{line}there is no filter {node.name!r}; there are {', '.join(sorted(FILTERS))}")
    if isinstance(node, nodes.Test) and node.name not in TESTS:
        raise Faulty(f"{line}there is no test {node.name!r}")
    if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
        raise Faulty(f"{line}what begins with an underscore is not allowed in a template")
    for child in node.iter_child_nodes():
        _look_through(child, within_loop=within_loop)


def _bounded(values: Mapping[str, Any]) -> dict[str, Any]:
    def cut(value: Any) -> Any:
        if isinstance(value, str):
            return value[:VALUE_LIMIT]
        return [cut(one) for one in value[:100]] if isinstance(value, (list, tuple)) else value

    return {name: cut(value) for name, value in values.items()}


def _only_values(value: Any) -> Any:
    if callable(value):
        raise Faulty("a method is not a value")
    return value


def _spelled(error: Exception) -> str:
    line = getattr(error, "lineno", None)
    said = str(error.message if isinstance(error, TemplateError) else "") or type(error).__name__
    return (f"line {line}: " if line else "") + said[:200]


_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, autoescape=False, cache_size=0, finalize=_only_values
)
_ENVIRONMENT.globals.clear()
