"""Which instance an event speaks of: the keys it carries, without the placeholders that would join the world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from slo_rules.filters import spell
from slo_rules.paths import compile_many
from slo_rules.workflow import KeyRule

Key = str
"""A key as one word, `namespace=value`; a namespace is a name and has no `=` in it."""
Extract = Callable[[Mapping[str, Any]], list[Key]]

LONGEST_KEY = 200
PLACEHOLDERS = frozenset(
    (
        *("n/a", "na", "none", "null", "nil", "undefined", "unknown", "unassigned", "tbd", "tba", "test", "dummy"),
        *("default", "empty", "missing", "not_set", "notset", "-", "--", "---", ".", "?", "??", "*", "#"),
        *("x", "xx", "xxx", "nan", "#n/a", "n.a.", "(null)", "<null>", "(none)", "<none>"),
    )
)

_LONGEST_PLACEHOLDER = max(map(len, PLACEHOLDERS))
_HOLLOW = "0-{}."
"""An id of nothing but these, such as 00000000-0000-0000-0000-000000000000, names nothing."""


def normalise_key(value: Any) -> str | None:
    """The text of an id, or None where the value cannot be one: a placeholder, only zeros, a list, too long."""
    if type(value) is str:
        text = value.strip()
    else:
        spelled = None if isinstance(value, bool) else spell(value)
        if spelled is None:
            return None
        text = spelled
    length = len(text)
    if not length or length > LONGEST_KEY or "\x00" in text:
        return None
    if length <= _LONGEST_PLACEHOLDER and text.casefold() in PLACEHOLDERS:
        return None
    if text[0] in _HOLLOW and not text.strip(_HOLLOW):
        return None
    return text


def split_key(key: Key) -> tuple[str, str]:
    """Namespace and value."""
    namespace, _, value = key.partition("=")
    return namespace, value


def key_extractor(rules: Iterable[KeyRule]) -> Extract:
    """A function from an event document to the keys it carries by these rules, in their order."""
    lookup = compile_many([(rule.namespace + "=", rule.paths) for rule in rules])

    def extract(document: Mapping[str, Any]) -> list[Key]:
        keys = []
        for head, value in lookup(document):
            text = normalise_key(value)
            if text is not None:
                keys.append(head + text)
        return keys

    return extract
