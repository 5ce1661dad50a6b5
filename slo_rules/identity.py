"""Which instance an event speaks of: the keys it carries, without the placeholders that would join the world."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from slo_rules.filters import spell
from slo_rules.paths import compile_first
from slo_rules.workflow import Workflow

Key = tuple[str, str]
Extract = Callable[[Mapping[str, Any]], list[Key]]

LONGEST_KEY = 200
PLACEHOLDERS = frozenset(
    "n/a na none null nil undefined unknown unassigned tbd tba test dummy default empty missing not_set notset "
    "- -- --- . ? ?? * # x xx xxx".split()
)


def normalise_key(value: Any) -> str | None:
    """The text of an id, or None where the value cannot be one: a placeholder, only zeros, a list, too long."""
    text = value if type(value) is str else None if isinstance(value, bool) else spell(value)
    if text is None:
        return None
    text = text.strip()
    if not text or len(text) > LONGEST_KEY or "\x00" in text:
        return None
    if text.casefold() in PLACEHOLDERS or not text.strip("0-{}."):
        return None
    return text


def key_extractor(workflow: Workflow) -> Extract:
    """A function from an event document to the `(namespace, value)` pairs it carries, joining keys first."""
    rules = sorted(workflow.keys, key=lambda rule: not rule.joins)
    lookups = [(rule.namespace, compile_first(rule.paths)) for rule in rules]

    def extract(document: Mapping[str, Any]) -> list[Key]:
        found = []
        for namespace, lookup in lookups:
            text = normalise_key(lookup(document))
            if text is not None:
                found.append((namespace, text))
        return found

    return extract
