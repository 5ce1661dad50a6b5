"""What instances have in common that others have not."""

from __future__ import annotations

from typing import Literal, TypedDict

from collector.answers.values import Answers, Count, Instant, Scalar

Kind = Literal["instance", "attribute"]


class Difference(TypedDict):
    """A value that more of the bad have than of the rest. `ratio` is how many times as likely; `filter` narrows a list.

    `q` is the chance that it is by chance, of all that were looked at; `significant` that this is small.
    """

    kind: Kind
    attribute: str
    value: Scalar | None
    explanation: str
    significant: bool
    bad: Count
    bad_of: Count
    bad_share: float
    rest: Count
    rest_of: Count
    rest_share: float
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    excess: float
    p: float
    q: float
    filter: dict[str, str | list[str]] | None


class Counted(TypedDict):
    """How many there are."""

    count: Count


class Compared(Counted):
    """How many were read; `cut` says that there may be more."""

    cut: bool


class ComparedRest(Compared):
    """Those that the others are held against: of which workflows, and from when on they started."""

    since: Instant | None
    workflows: list[str]


class NotCompared(TypedDict):
    """What was not looked at, and why."""

    kind: Kind
    attribute: str
    reason: str
    explanation: str


class Differences(TypedDict):
    """What the instances of a filter have in common, best first."""

    bad: Compared
    rest: ComparedRest
    looked_at: Count
    total: Count
    items: list[Difference]
    left_out: list[NotCompared]


class ObjectiveDifferences(TypedDict):
    """What the instances that an objective counted as bad have in common, best first."""

    name: str
    since: Instant
    until: Instant
    bad: Counted
    rest: Counted
    looked_at: Count
    total: Count
    items: list[Difference]


ANSWERS: Answers = {
    ("GET", "/api/v1/differences"): Differences,
    ("GET", "/api/v1/objectives/{name}/differences"): ObjectiveDifferences,
}
