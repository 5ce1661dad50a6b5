"""Which paths of a log could be the key of a case: ids that several kinds of event share.

A path is a candidate when its values come back: the same value in events of more than one kind. What speaks against it
is that one kind of event repeats with one value, as orders do with the account they belong to.
"""

from __future__ import annotations

import re

import msgspec

from slo_rules.identity import normalise_key
from slo_rules.path_survey import PathFacts, Survey

MOST_CANDIDATES = 8
_FAR_BEHIND = 20
_ID_WORDS = frozenset(
    ("id", "ids", "key", "no", "nr", "num", "number", "ref", "reference", "uuid", "guid", "case", "code")
)
_OTHER_WORDS = frozenset(
    (
        *("amount", "value", "price", "total", "sum", "cost", "quantity", "qty", "count", "currency", "percent"),
        *("date", "time", "timestamp", "at", "duration", "name", "status", "state", "version", "region", "country"),
    )
)
_BOOLEANS = ("true", "false")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


class CandidateKey(msgspec.Struct, frozen=True):
    """A path that may be a key, with what speaks for it.

    `share` of all events carry a usable value; there are some `values` of them (an estimate beyond some thousands),
    each in `per_value` events on average; `linking` of the values stand in events of two kinds or more; an event kind
    that a value meets, it meets `repetition` times on average. `activities` kinds from `sources` sources have it.
    """

    path: str
    score: float
    share: float
    values: int
    per_value: float
    linking: float
    repetition: float
    activities: int
    sources: int
    example: str


def propose(survey: Survey) -> list[CandidateKey]:
    """The candidates, best first; none where no id links events."""
    found = [
        candidate
        for path, facts in survey.paths.items()
        if (candidate := _candidate(path, facts, survey.events)) is not None
    ]
    found.sort(key=lambda one: (-one.score, len(one.path), one.path))
    return [one for one in found[:MOST_CANDIDATES] if one.score * _FAR_BEHIND >= found[0].score]


def _candidate(path: str, facts: PathFacts, events: int) -> CandidateKey | None:
    if facts.floats or facts.times * 2 > facts.events or len(facts.activities) < 2:
        return None
    usable = {value: told for value, told in facts.values.items() if normalise_key(value) and value not in _BOOLEANS}
    linking = sum(len(told.activities) > 1 for told in usable.values())
    if len(usable) < 2 or not linking:
        return None
    carrying = sum(told.events for told in usable.values())
    meetings = sum(len(told.activities) for told in usable.values())
    known = sum(told.events for told in facts.values.values())
    share = facts.events / events * carrying / known
    repetition = carrying / meetings
    return CandidateKey(
        path=path,
        score=share * linking / len(usable) / repetition**2 * _likely(path),
        share=share,
        values=len(usable) << facts.level,
        per_value=carrying / len(usable),
        linking=linking / len(usable),
        repetition=repetition,
        activities=len(facts.activities),
        sources=len({activity.source for activity in facts.activities}),
        example=min(usable, key=lambda value: (-usable[value].events, value)),
    )


def _likely(path: str) -> float:
    """What the last name of a path adds to or takes from its likelihood."""
    words = {word.casefold() for word in _WORD.findall(path.rpartition(".")[2])}
    if words & _ID_WORDS:
        return 1.0
    return 0.2 if words & _OTHER_WORDS else 0.6
