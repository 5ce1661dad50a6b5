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


def respell(rule: KeyRule, text: str) -> str | None:
    """A normalised id in the one spelling of its rule; None where nothing is left that could name anything."""
    if rule.case:
        text = text.upper() if rule.case == "upper" else text.lower()
    for prefix in rule.strip_prefix:
        cased = prefix.upper() if rule.case == "upper" else prefix.lower() if rule.case else prefix
        if text.startswith(cased):
            text = text[len(cased) :]
            break
    if rule.strip_zeros:
        text = text.lstrip("0")
    return normalise_key(text)


def spellings(rules: Iterable[KeyRule], text: str) -> list[str]:
    """How an id that somebody types may be spelled where it is kept: as it is, and as these rules spell it."""
    asked = normalise_key(text)
    found = [text] if asked is None else [asked, *(respell(rule, asked) for rule in rules)]
    return list(dict.fromkeys(spelling for spelling in found if spelling is not None))


def split_key(key: Key) -> tuple[str, str]:
    """Namespace and value."""
    namespace, _, value = key.partition("=")
    return namespace, value


def joining_key(rules: Iterable[KeyRule], key: Key) -> Key | None:
    """A key that somebody names, as these rules spell it; None where it is no joining key of theirs."""
    namespace, value = split_key(key)
    rule = next((rule for rule in rules if rule.joins and rule.namespace == namespace), None)
    text = None if rule is None else normalise_key(value)
    spelled = None if rule is None or text is None else respell(rule, text)
    return None if spelled is None else f"{namespace}={spelled}"


def key_extractor(rules: Iterable[KeyRule]) -> Extract:
    """A function from an event document to the keys it carries by these rules, in their order."""
    rules = list(rules)
    lookup = compile_many([(rule.namespace + "=", rule.paths) for rule in rules])
    respelled = {rule.namespace + "=": rule for rule in rules if rule.case or rule.strip_prefix or rule.strip_zeros}

    def extract(document: Mapping[str, Any]) -> list[Key]:
        keys = []
        for head, value in lookup(document):
            text = normalise_key(value)
            if text is not None and head in respelled:
                text = respell(respelled[head], text)
            if text is not None:
                keys.append(head + text)
        return keys

    return extract
