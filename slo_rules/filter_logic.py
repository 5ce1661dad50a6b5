"""What can be told of a filter without any event: whether it contradicts itself, and whether two say the same."""

from __future__ import annotations

from collections.abc import Hashable

from slo_rules.filters import SPAN_TYPE, All, Any_, Compare, Filter, Not

SPAN_VALUES = {
    "kind": ("unspecified", "internal", "server", "client", "producer", "consumer"),
    "status": ("unset", "ok", "error"),
}
"""What these paths can be in the event of a span."""
_MOST_STEPS = 20_000
_MOST_BRANCHES = 300

_Literal = tuple[Compare, bool]
"""A comparison, and whether it is to hold or not to."""


def contradiction(condition: Filter) -> str | None:
    """Why no event whatever satisfies the filter, in words; None where one may, or where it takes too long to tell."""
    search = _Search()
    try:
        return None if search.satisfied([(condition, True)], {}) else search.why
    except _TooLong:
        return None


def canonical(condition: Filter) -> Hashable:
    """Equal for filters that say the same in another order, nesting or repetition."""
    match condition:
        case Compare():
            return condition
        case Not(Not(part)):
            return canonical(part)
        case Not(part):
            return ("not", canonical(part))
        case All():
            return _canonical_parts("all", _flat(condition, All))
        case Any_():
            return _canonical_parts("any", _flat(condition, Any_))


def _canonical_parts(word: str, parts: list[Filter]) -> Hashable:
    found = frozenset(canonical(part) for part in parts)
    return next(iter(found)) if len(found) == 1 else (word, found)


def _flat(condition: Filter, kind: type[All | Any_]) -> list[Filter]:
    if not isinstance(condition, kind):
        return [condition]
    return [inner for part in condition.parts for inner in _flat(part, kind)]


class _TooLong(Exception):
    pass


class _Search:
    """Every way to satisfy a filter is tried; `why` is the first contradiction met."""

    def __init__(self) -> None:
        self.why: str | None = None
        self._steps = 0
        self._branches = 0

    def satisfied(self, todo: list[tuple[Filter, bool]], known: dict[str, list[_Literal]]) -> bool:
        todo = list(todo)
        known = {path: list(literals) for path, literals in known.items()}
        choices: list[tuple[tuple[Filter, ...], bool]] = []
        while todo:
            condition, positive = todo.pop()
            match condition:
                case Compare():
                    if not self._added((condition, positive), known):
                        return False
                case Not(part):
                    todo.append((part, not positive))
                case All(parts) | Any_(parts):
                    if isinstance(condition, All) is positive:
                        todo += [(part, positive) for part in parts]
                    else:
                        choices.append((parts, positive))
        if not choices:
            return self._is_span_possible(known)
        parts, positive = choices.pop()
        rest: list[tuple[Filter, bool]] = [(Any_(others) if sign else All(others), sign) for others, sign in choices]
        for part in parts:
            self._branches += 1
            if self._branches > _MOST_BRANCHES:
                raise _TooLong
            if self.satisfied([*rest, (part, positive)], known):
                return True
        return False

    def _added(self, new: _Literal, known: dict[str, list[_Literal]]) -> bool:
        of_path = known.setdefault(new[0].path, [])
        for other in of_path:
            self._steps += 1
            if self._steps > _MOST_STEPS:
                raise _TooLong
            if _exclude(new, other):
                self.why = self.why or f"{new[0].path} cannot be {_words(other)} and {_words(new)}"
                return False
        of_path.append(new)
        return True

    def _is_span_possible(self, known: dict[str, list[_Literal]]) -> bool:
        if not any(one.how == "exact" and one.text == SPAN_TYPE and sign for one, sign in known.get("type", ())):
            return True
        for path, values in SPAN_VALUES.items():
            literals = known.get(path, ())
            if not any(all(one.holds(value) is sign for one, sign in literals) for value in values):
                said = " and ".join(_words(literal) for literal in literals)
                self.why = self.why or f"the {path} of a span is never {said}, but one of {', '.join(values)}"
                return False
        return True


def _exclude(a: _Literal, b: _Literal) -> bool:
    (one, holds), (other, also) = a, b
    if holds and also:
        if "exact" in (one.how, other.how):
            exact, rest = (one, other) if one.how == "exact" else (other, one)
            return not rest.holds(exact.text)
        return one.how == other.how and not _within(one, other) and not _within(other, one)
    if holds is also:
        return False
    said, denied = (one, other) if holds else (other, one)
    return denied.holds(said.text) if said.how == "exact" else said.how == denied.how and _within(said, denied)


def _within(narrow: Compare, wide: Compare) -> bool:
    """Whether what begins (or ends) like the one does so like the other."""
    return narrow.text.startswith(wide.text) if narrow.how == "prefix" else narrow.text.endswith(wide.text)


_HOWS = {"exact": "", "prefix": "begin with ", "suffix": "end with "}


def _words(literal: _Literal) -> str:
    compare, holds = literal
    return f"{'' if holds else 'not '}{_HOWS[compare.how]}{compare.text[:80]!r}"
