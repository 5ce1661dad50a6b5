"""Workflows: their definitions, their tests, and how instances pass through their steps."""

from __future__ import annotations

from typing import Literal, TypedDict

from collector.answers.values import Amount, Answers, Count, Id, Instant, Named

Terms = dict[str, str]
Deadline = TypedDict(
    "Deadline",
    {
        "from": str | None,
        "warn": str | None,
        "breach": str,
        "calendar": str | None,
        "by": dict[str, dict[str, Terms]],
    },
)
Deadline.__doc__ = "A deadline as definitions spell it; `by` has other terms by attribute and value."


class Milestone(TypedDict):
    """A named point that instances reach; `count` is how often, or the attribute that says so."""

    name: str
    title: str
    after: list[str]
    after_any: bool
    optional: bool
    choice: str | None
    count: Count | str
    each: str | None
    source: str | None
    owner: str
    deadline: Deadline | None
    starts: bool
    completes: bool


class Workflow(TypedDict):
    """A definition in force, with the number of its instances by verdict."""

    name: str
    version: int
    title: str
    description: str
    domain: str
    owner: str
    entity: str
    milestones: list[Milestone]
    counts: dict[str, Count]


class Workflows(TypedDict):
    """The definitions in force."""

    items: list[Workflow]


class DefinitionTest(TypedDict):
    """One test: `details` says what was not as expected."""

    name: str
    file: str
    line: int
    passed: bool
    seconds: float
    details: str


class MilestoneTested(TypedDict):
    """By how many tests a milestone was reached, and its deadline kept and missed."""

    name: str
    title: str
    promised: bool
    reached: Count
    kept: Count
    missed: Count


class SignalTested(TypedDict):
    """How many tests ask a signal."""

    name: str
    tests: Count


class ObjectiveTested(SignalTested):
    """How many tests ask an objective."""

    title: str


class Untested(TypedDict):
    """What no test covers."""

    what: Literal["milestone", "deadline", "signal", "objective"]
    name: str
    title: str


class DefinitionTests(TypedDict):
    """How the tests of a definition ended, and what they cover; `in_force`: the files say what is in force."""

    state: Literal["none", "running", "ran", "failed"]
    ran_at: Instant | None
    seconds: float | None
    faults: list[str]
    in_force: bool
    tests: list[DefinitionTest]
    milestones: list[MilestoneTested]
    signals: list[SignalTested]
    objectives: list[ObjectiveTested]
    untested: list[Untested]


class StepSeen(TypedDict):
    """How many reached a step and how, and how long that took: half, and 95 of 100, took no longer."""

    reached: Count
    late: Count
    dropped: Count
    without: Count
    again: Count
    again_after_seconds: float | None
    measured: Count
    calendar: str | None
    median_seconds: float | None
    p95_seconds: float | None
    elapsed_median_seconds: float | None


class WaitingAtStep(TypedDict):
    """What waits for a step, by verdict, and what it is worth."""

    total: Count
    verdicts: dict[str, Count]
    value: list[Amount]
    oldest_stuck_since: Instant | None


class InstanceNoted(TypedDict):
    """An instance that is worth a look."""

    id: Id
    title: str


class LastNoted(TypedDict):
    """The last that were late at a step, dropped off before it, went on without it, or reached it again."""

    late: list[InstanceNoted]
    dropped: list[InstanceNoted]
    without: list[InstanceNoted]
    again: list[InstanceNoted]


class FlowStep(StepSeen):
    """A step of a workflow."""

    name: str
    title: str
    after: list[str]
    after_any: bool
    optional: bool
    starts: bool
    completes: bool
    source: str | None
    owner: str
    waiting: WaitingAtStep
    last_reached_at: Instant | None
    last: LastNoted
    time_share: float | None


class FlowLearned(TypedDict):
    """What steps are told from; `restarted` are those that began anew."""

    at: Instant
    since: Instant | None
    instances: Count
    all_instances: bool
    restarted: Count


class ValueCounted(TypedDict):
    """A value, and how many have it."""

    value: str
    count: Count


class AttributeValues(TypedDict):
    """An attribute with its most frequent values."""

    attribute: str
    values: list[ValueCounted]


class Flow(TypedDict):
    """A workflow step by step; what is open and waits for none of its steps is `elsewhere`."""

    as_of: Instant
    name: str
    title: str
    description: str
    domain: str
    owner: str
    entity: str
    version: int
    open: Count
    elsewhere: Count
    learned: FlowLearned
    groups: list[AttributeValues]
    steps: list[FlowStep]


class FlowSet(TypedDict):
    """A set of instances that was asked about, and how many it is."""

    since: Instant | None
    until: Instant | None
    where: list[Named]
    instances: Count
    all_instances: bool
    restarted: Count
    first_at: Instant | None


class StepDifference(TypedDict):
    """By what a step differs; `sure` that it is hardly by chance."""

    step: str
    title: str
    measure: str
    one: float
    other: float
    size: float
    p: float
    q: float
    sure: bool


class StepsBeside(TypedDict):
    """A step in both sets."""

    name: str
    title: str
    starts: bool
    one: StepSeen
    other: StepSeen


class FlowComparison(TypedDict):
    """Two sets of instances side by side, the largest differences first."""

    name: str
    title: str
    one: FlowSet
    other: FlowSet
    differences: list[StepDifference]
    steps: list[StepsBeside]


ANSWERS: Answers = {
    ("GET", "/api/v1/workflows"): Workflows,
    ("GET", "/api/v1/workflows/{name}/tests"): DefinitionTests,
    ("GET", "/api/v1/workflows/{name}/flow"): Flow,
    ("GET", "/api/v1/workflows/{name}/flow/comparison"): FlowComparison,
}
