"""Whether Milepost has become slower, by ratios: what it does beside what the same machine could do at best.

Figures in events a second differ between machines, and on one machine from hour to hour. Ratios of two figures that
were measured in one run hardly do, so that those of a small run here can be held against those of a large one
elsewhere. The bounds are wide all the same: what is found is a mistake in kind, not a few percent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mark:
    """A ratio that is watched: the figure's name, the parts that measure it, and how far it may be from before.

    `share` is the part of the former value that must be left, or with `growth` how many times of it there may be. With
    `cost` the figure is a share that is lost, and what is left of it all is compared.
    """

    figure: str
    parts: str
    share: float = 0.5
    growth: float | None = None
    cost: bool = False

    def bound(self, before: float) -> float:
        """The worst value that passes."""
        if self.growth is not None:
            # What seemed to shrink did so by chance.
            return max(before, 1.0) * self.growth
        return 1 - (1 - before) * self.share if self.cost else before * self.share

    def passes(self, before: float, now: float) -> bool:
        """Whether it is not much worse than before."""
        bound = self.bound(before)
        return now >= bound if self.more_is_better else now <= bound

    def better(self, one: float, other: float) -> float:
        """The better of two values."""
        return max(one, other) if self.more_is_better else min(one, other)

    @property
    def more_is_better(self) -> bool:
        """Whether the figure falls as Milepost becomes slower."""
        return self.growth is None and not self.cost


MARKS = (
    Mark("(b) projected, share of (a)", "ab"),
    Mark("(c) linked, share of COPY alone", "c"),
    Mark("(e) share that objectives cost", "e", cost=True),
    Mark("(e) growth with ten times the items", "e", growth=1.5),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A mark with its values; `before` is None where it was not measured then, and it passes."""

    mark: Mark
    before: float | None
    now: float

    @property
    def passed(self) -> bool:
        """Whether it is not much worse than before."""
        return self.before is None or self.mark.passes(self.before, self.now)


class NotComparable(Exception):
    """There is nothing to compare with, or not all was measured; the message says what is missing."""


def newest(folder: Path) -> tuple[str, dict[str, float]]:
    """The name and the figures of the newest full results. Raises NotComparable."""
    for path in sorted(folder.glob("*.json"), reverse=True):
        said = json.loads(path.read_text("utf-8"))
        if not said["quick"]:
            return path.name, {one["name"]: float(one["value"]) for one in said["figures"]}
    raise NotComparable(f"There are no full results in {folder.name}/: write some with python -m benchmarks --write.")


def compare(before: Mapping[str, float], now: Mapping[str, float], marks: Sequence[Mark] = MARKS) -> list[Outcome]:
    """How each mark stands. Raises NotComparable where one was not measured now."""
    absent = [mark.figure for mark in marks if mark.figure not in now]
    if absent:
        raise NotComparable(f"Not measured: {'; '.join(absent)}.")
    return [Outcome(mark, before.get(mark.figure), now[mark.figure]) for mark in marks]


def again(outcomes: Sequence[Outcome]) -> set[str]:
    """The parts to be measured once more, for somebody else may have had the machine."""
    return {part for outcome in outcomes if not outcome.passed for part in outcome.mark.parts}


def better(first: Mapping[str, float], second: Mapping[str, float], marks: Sequence[Mark] = MARKS) -> dict[str, float]:
    """Of each mark the better of two measurements."""
    found = dict(first)
    for mark in marks:
        if mark.figure in second:
            found[mark.figure] = mark.better(first[mark.figure], second[mark.figure])
    return found


def verdict(outcomes: Sequence[Outcome], results: str) -> str:
    """One sentence on all of them."""
    worse = [outcome for outcome in outcomes if not outcome.passed]
    if not worse:
        return f"No ratio is much worse than in {results}."
    told = "; ".join(
        f"{one.mark.figure} is {one.now:.3g}, was {one.before:.3g} and may be {one.mark.bound(one.before):.3g} at "
        f"{'least' if one.mark.more_is_better else 'most'}"
        for one in worse
        if one.before is not None
    )
    return f"Much worse than in {results}, measured twice: {told}."
