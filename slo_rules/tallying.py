"""What objectives came to, from buckets in memory: the answers that the store gives, without one. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from slo_rules.buckets import BUCKET
from slo_rules.budget import Staleness
from slo_rules.contribution import ITEMS, NOTHING, Contributions
from slo_rules.contribution import Counts as Added
from slo_rules.exclusions import Span
from slo_rules.objective import Group, Objective
from slo_rules.reckoning import (
    NONE,
    Asked,
    Counts,
    Missing,
    Reckoned,
    answer,
    reckon_freshness,
    reckon_volume,
    spans_of,
)
from slo_rules.stand import Questions, Stand


class Tally:
    """What instances add to buckets, by objective and group; `total` is not kept."""

    def __init__(self, total: Contributions) -> None:
        self._units: dict[tuple[str, Group], dict[str, list[tuple[int, Added]]]] = {}
        for (objective, group, unit, at), added in sorted(total.items()):
            if added != NOTHING:
                self._units.setdefault((objective, group), {}).setdefault(unit, []).append((at, added))

    def reckon(self, asked: Asked) -> dict[str, Reckoned]:
        """The answer by unit: the number of items, or of slices, under ITEMS, and money by currency."""
        units = self._units.get((asked.objective.name, asked.group), {})
        if asked.objective.in_slices:
            return {ITEMS: _slices(asked, units.get(ITEMS, []))}
        spans = spans_of(asked)
        found = {unit: [_sum(buckets, of_kind) for of_kind in spans] for unit, buckets in units.items()}
        return answer(asked, {unit: counts for unit, counts in found.items() if any(map(any, counts))})

    def stand(self, objective: Objective, group: Group, silence: Missing | None, now: int) -> Stand:
        """How an objective stands, in all or in a group; only whole buckets count, as on its page."""
        questions = Questions(objective, group, now, silence)
        return questions.stand([self.reckon(asked) for asked in questions.asked])


def _slices(asked: Asked, buckets: Sequence[tuple[int, Added]]) -> Reckoned:
    if not buckets:
        return Reckoned(0, 0)
    begins = buckets[0][0]
    if asked.objective.volume is None:
        return reckon_freshness(asked, Staleness((at, added[4]) for at, added in buckets if added[4]), begins)
    return reckon_volume(asked, [(at, int(added[0])) for at, added in buckets], begins)


def _sum(buckets: Sequence[tuple[int, Added]], spans: Iterable[Span]) -> Counts:
    """What whole buckets in these spans hold."""
    good, bad, waived, cancelled = NONE
    for since, until in spans:
        for at, added in buckets[bisect_left(buckets, since, key=_at) :]:
            if at + BUCKET > until:
                break
            good, bad = good + added[0], bad + added[1]
            waived, cancelled = waived + added[2], cancelled + added[3]
    return good, bad, waived, cancelled


def _at(bucket: tuple[int, Added]) -> int:
    return bucket[0]
