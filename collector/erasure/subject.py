"""Whom is forgotten, and what takes the place of his key: in texts, and in documents as the log has them. Pure."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus

from slo_rules.filters import spell
from slo_rules.identity import normalise_key, respell
from slo_rules.paths import MISSING, compile_path
from slo_rules.workflow import KeyRule

SHORTEST_SOUGHT, SHORTEST_NUMBER = 6, 8
"""Characters from which on a value, or one of digits alone, is told from other words and numbers wherever it stands."""
_PSEUDONYM_DIGITS = 20
_SUBJECT_FREE = frozenset(("specversion", "source", "type", "time", "datacontenttype", "dataschema", "traceparent"))
"""Attributes of an event in which a value that looks like the key is not the key."""


_SPELLINGS: tuple[Callable[[str], str], ...] = (
    str,
    lambda form: json.dumps(form)[1:-1],
    lambda form: json.dumps(form, ensure_ascii=False)[1:-1],
    lambda form: quote(form, safe=""),
    quote_plus,
    escape,
)


@dataclass(frozen=True)
class Subject:
    """Somebody by his key. `spelled` are the values that instances carry, `forms` those that events say.

    `pseudonym` takes the place of each. It is random, so that nobody finds by it whom it stands for, and has no letter,
    so that no rule about upper and lower case spells it otherwise.
    """

    namespace: str
    value: str
    rules: tuple[KeyRule, ...]
    spelled: frozenset[str]
    forms: frozenset[str]
    pseudonym: str = field(default_factory=lambda: f"#{secrets.randbelow(10**_PSEUDONYM_DIGITS):0{_PSEUDONYM_DIGITS}}")

    @cached_property
    def is_sought(self) -> bool:
        """Whether the value is long enough to be looked for within texts; a short one is but where keys are read."""
        least = SHORTEST_NUMBER if self.value.isdecimal() else SHORTEST_SOUGHT
        return len(self.value) >= least

    @property
    def digest(self) -> str:
        """What the audit log says of the key: whoever knows the key can tell that it is this one."""
        return hashlib.sha256(f"{self.namespace}={self.value}".encode()).hexdigest()

    @cached_property
    def needles(self) -> list[bytes]:
        """What a stored body that says the value has in it, as JSON, XML and forms may spell it; none unless sought."""
        if not self.is_sought:
            return []
        spelled = {way(form) for form in self.forms for way in _SPELLINGS}
        return sorted(form.encode("utf-8", "replace") for form in spelled)

    @cached_property
    def words(self) -> list[str]:
        """The same for columns of text."""
        return sorted(self.forms) if self.is_sought else []

    @cached_property
    def _within(self) -> re.Pattern[str]:
        longest_first = sorted(self.forms, key=lambda form: (-len(form), form))
        return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")

    @cached_property
    def _members(self) -> frozenset[str]:
        paths = [path for rule in self.rules for path in rule.paths]
        paths += [path for rule in self.rules for alias in rule.aliases for path in (*alias.old, *alias.new)]
        return frozenset(path.rpartition(".")[2] for path in paths)

    def text(self, text: str) -> str:
        """A text in which the pseudonym stands for the value, wherever that is a word of its own."""
        return self._within.sub(self.pseudonym, text) if self.is_sought else text

    def loose_text(self, text: str) -> str:
        """The same of what a person wrote, in whatever case."""
        return re.sub(self._within.pattern, self.pseudonym, text, flags=re.IGNORECASE) if self.is_sought else text

    def key(self, word: str) -> str:
        """A key `namespace=value` as it is after that."""
        namespace, _, value = word.partition("=")
        if namespace == self.namespace and value in self.spelled:
            return f"{namespace}={self.pseudonym}"
        return f"{namespace}={self.text(value)}"

    def json(self, value: Any, member: str = "") -> Any:
        """JSON in which the pseudonym stands for the value; `member` is the name under which it stands."""
        if isinstance(value, dict):
            return {self.text(name): self.json(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [self.json(one, member) for one in value]
        return self.scalar(value, (member,))

    def scalar(self, value: Any, paths: Iterable[str]) -> Any:
        """A plain value as it is after that, found at one of these paths."""
        # A number is the key only where keys are read: an amount may look the same.
        is_key = any(path.rpartition(".")[2] in self._members for path in paths)
        if is_key and not isinstance(value, bool) and (spelled := spell(value)) is not None and spelled in self.forms:
            return self.pseudonym
        return self.text(value) if isinstance(value, str) else value

    def document(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The document of an event, whose own structure stays."""
        return {name: one if name in _SUBJECT_FREE else self.json(one, name) for name, one in document.items()}

    def carried_by(self, document: Mapping[str, Any]) -> set[str]:
        """How a document spells the key where it carries it; empty where it does not."""
        found: set[str] = set()
        for rule in self.rules:
            for path in (*rule.paths, *(path for alias in rule.aliases for path in (*alias.old, *alias.new))):
                value = compile_path(path)(document)
                text = None if value is MISSING else normalise_key(value)
                if text is not None and respell(rule, text) in self.spelled:
                    found.add(text)
        return found

    def also(self, forms: Iterable[str]) -> Subject:
        """The same, known by more forms."""
        return replace(self, forms=self.forms | frozenset(forms))


def subject_of(namespace: str, value: str, rules: Sequence[KeyRule]) -> Subject:
    """Whoever has this key by the rules of its namespace, in any version of any workflow."""
    own = tuple(rule for rule in rules if rule.namespace == namespace)
    text = normalise_key(value) or value.strip()
    spelled = {text} | {one for rule in own if (one := respell(rule, text)) is not None}
    return Subject(namespace, text, own, frozenset(spelled), frozenset(spelled))
