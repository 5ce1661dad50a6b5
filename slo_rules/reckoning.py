"""What of an objective counts in a span of time, and as what: exclusions, missing data, slices. Pure.

Items are counted where they are due. Slices are five minutes long for freshness; for volume as long as the objective
says, and only whole ones count.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from slo_rules.buckets import BUCKET
from slo_rules.budget import Number, Staleness
from slo_rules.exclusions import Span, excluded, without
from slo_rules.judgement import Marks
from slo_rules.objective import ALL, Group, MissingData, Objective
from slo_rules.windows import CalendarWindow, Slicing
from slo_rules.workflow import Workflow

Counts = tuple[Number, Number, Number, Number]
"""Good, bad, waived and cancelled."""
NONE: Counts = (0, 0, 0, 0)


class Missing(NamedTuple):
    """Since when (micros) a source has not said what falls due: its last arrival."""

    source: str
    since: int


class Asked(NamedTuple):
    """A question: an objective, in all or in a group, from `since` on and before `until` (micros).

    From `missing_since` on nothing is known of what falls due.
    """

    objective: Objective
    since: int
    until: int
    group: Group = ALL
    missing_since: int | None = None


class Spans(NamedTuple):
    """The time of a question: what counts, what was excluded, and that of which nothing is known."""

    counted: list[Span]
    excluded: list[Span]
    missing: list[Span]


class Reckoned(NamedTuple):
    """The answer: what counts as good and bad, and what is neutral: by word of people, and by exclusion.

    `missing` fell due while nothing was known; it is in `good` or `bad` if the objective says so, and else in neither.
    """

    good: Number
    bad: Number
    waived: Number = 0
    cancelled: Number = 0
    excluded: Number = 0
    missing: Number = 0


def missing(objective: Objective, workflow: Workflow | None, marks: Marks, now: int) -> Missing | None:
    """The source that would say what falls due for an objective, while it is silent; None: nothing is missing.

    What ended well or not is not waited for, so that nothing is ever missing of it.
    """
    milestone = workflow.by_name.get(objective.end) if workflow is not None else None
    source = milestone.source if milestone is not None and objective.kind != "success" else None
    mark = marks.get(source) if source is not None else None
    if source is None or mark is None or mark.due is None or now < mark.due:
        return None
    return Missing(source, mark.last_received_at)


def replaying(objective: Objective, workflow: Workflow | None, marks: Marks, now: int) -> str | None:
    """A source that sends its past at an instant (micros), so that what the objective counts is not all there yet.

    Of items those of their start and end are asked, of how things ended all of the workflow. None: there is none.
    """
    milestones = workflow.milestones if workflow is not None else ()
    of_items = (objective.start, objective.end)
    asked = [one.source for one in milestones if objective.kind == "success" or one.name in of_items]
    for source in [objective.source] if objective.source else asked:
        mark = marks.get(source or "")
        if mark is not None and mark.sends_past(now):
            return source
    return None


def spans_of(asked: Asked) -> Spans:
    """What of the time of a question counts."""
    since, until = asked.since, asked.until
    if since >= until:
        return Spans([], [], [])
    unknown_from = until
    if asked.missing_since is not None:
        unknown_from = min(max(asked.missing_since - asked.missing_since % BUCKET, since), until)
    if not asked.objective.exclude:
        return Spans(_some(since, unknown_from), [], _some(unknown_from, until))
    gone = excluded(asked.objective.exclude, since, until)
    return Spans(without((since, unknown_from), gone), gone, without((unknown_from, until), gone))


def _some(since: int, until: int) -> list[Span]:
    return [(since, until)] if since < until else []


def reckon_items(asked: Asked, found: Sequence[Counts]) -> Reckoned:
    """The answer for items, of one unit: `found` are the counts in each of the `Spans`."""
    counted, left_out, unknown = found
    good, bad, waived, cancelled = counted
    policy = asked.objective.missing_data
    if policy is MissingData.GOOD:
        good += unknown[0] + unknown[1]
    elif policy is MissingData.BAD:
        good, bad = good + unknown[0], bad + unknown[1]
    return Reckoned(
        good,
        bad,
        waived + unknown[2],
        cancelled + unknown[3],
        left_out[0] + left_out[1],
        unknown[0] + unknown[1],
    )


def reckon_freshness(asked: Asked, staleness: Staleness, begins: int) -> Reckoned:
    """The answer for slices in which something may be stale: from `begins` on, when the first change was due."""

    def of(spans: Iterable[Span]) -> Counts:
        good = bad = 0
        for since, until in spans:
            fresh, stale = staleness.slices(max(since, begins), until)
            good, bad = good + fresh, bad + stale
        return good, bad, 0, 0

    spans = spans_of(asked)
    return reckon_items(asked, [of(spans.counted), of(spans.excluded), of(spans.missing)])


class Silence(NamedTuple):
    """Slices, one after another, in which something was awaited of a source (micros), and whether they count."""

    since: int
    until: int
    excluded: bool

    @property
    def items(self) -> int:
        """Nothing came."""
        return 0

    @property
    def bad(self) -> bool:
        """It always is."""
        return True

    @property
    def slices(self) -> int:
        """Of how many it is."""
        return (self.until - self.since) // BUCKET


def silences_of(asked: Asked, staleness: Staleness, begins: int) -> list[Silence]:
    """The stale slices of a source, in order; what was excluded of a silence is one by itself."""
    spans = spans_of(asked)
    return sorted(
        Silence(begin, end, excluded_)
        for excluded_, of_kind in ((False, spans.counted), (True, spans.excluded))
        for since, until in of_kind
        for begin, end in staleness.runs(max(since, begins), until)
    )


class Slice(NamedTuple):
    """A slice of an objective of volume: from when to when (micros), how many items it had, and what it is.

    `excluded` and `missing` say that it does not count for that reason, or not as what it is.
    """

    since: int
    until: int
    items: int
    bad: bool
    excluded: bool
    missing: bool

    @property
    def slices(self) -> int:
        """One, of whatever length."""
        return 1


def slices_of_volume(asked: Asked, reached: Sequence[tuple[int, int]], begins: int) -> Iterator[Slice]:
    """The whole slices from the first item on, in order.

    `reached` are `(bucket, items)` in order. A slice of which a part was excluded is, and one with a part of which
    nothing is known is not known.
    """
    volume = asked.objective.volume
    assert volume is not None
    times = [at for at, _ in reached]
    sums = [0]
    for _, items in reached:
        sums.append(sums[-1] + items)
    spans = spans_of(asked)
    for since, until in whole_slices(volume.per, max(asked.since, begins), asked.until):
        items = sums[bisect_left(times, until)] - sums[bisect_left(times, since)]
        enough = volume.at_least is None or items >= volume.at_least
        bad = not enough or (volume.at_most is not None and items > volume.at_most)
        excluded_ = _meets(spans.excluded, since, until)
        yield Slice(since, until, items, bad, excluded_, not excluded_ and _meets(spans.missing, since, until))


def reckon_volume(asked: Asked, reached: Sequence[tuple[int, int]], begins: int) -> Reckoned:
    """The answer for slices with enough items and not too many, of which `slices_of_volume` tells."""
    found = [[0, 0], [0, 0], [0, 0]]
    for one in slices_of_volume(asked, reached, begins):
        found[1 if one.excluded else 2 if one.missing else 0][one.bad] += 1
    return reckon_items(asked, [(good, bad, 0, 0) for good, bad in found])


def _meets(spans: Iterable[Span], since: int, until: int) -> bool:
    return any(a < until and b > since for a, b in spans)


def whole_slices(per: Slicing, since: int, until: int) -> Iterator[Span]:
    """The slices that lie in a span, in order: `per` micros from midnight UTC on, or periods."""
    if isinstance(per, CalendarWindow):
        at = since
        while at < until:
            first, end = per.around(at)
            if first >= since and end <= until:
                yield first, end
            at = end
        return
    at = -(-since // per) * per
    while at + per <= until:
        yield at, at + per
        at += per


def answer(asked: Asked, by_unit: Mapping[str, Sequence[Counts]]) -> dict[str, Reckoned]:
    """The answers for items by unit; that for the number of items is always among them."""
    units = {"": (NONE, NONE, NONE), **by_unit}
    return {unit: reckon_items(asked, counts) for unit, counts in units.items()}
