"""How an objective stands at an instant: what is asked of its buckets, and what follows from that. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from slo_rules.buckets import BUCKET
from slo_rules.budget import Number
from slo_rules.burn_rates import Burning, burning, lookbacks
from slo_rules.contribution import ITEMS
from slo_rules.durations import DAY
from slo_rules.objective import Group, Objective
from slo_rules.pace import Pace, pace, recent
from slo_rules.reckoning import Asked, Missing, Reckoned
from slo_rules.small_budget import Singly, singly, soon
from slo_rules.windows import began

_FAR_AHEAD = 3650 * DAY


class Stand(NamedTuple):
    """How an objective stands: what its window `asked` came to by unit, and what that means.

    `lately` are good and bad over each of the `lookbacks` (micros). `pending` are the items that are not due yet and
    will be bad unless they come.
    """

    asked: Asked
    by_unit: Mapping[str, Reckoned]
    lately: dict[int, tuple[int, int]]
    pending: Number
    pace: Pace | None
    burning: list[Burning]
    singly: Singly | None


class Questions:
    """What is asked to tell how an objective, in all or in a group, stands; only whole buckets count."""

    def __init__(self, objective: Objective, group: Group, now: int, silence: Missing | None) -> None:
        self._objective = objective
        self._until = until = now - now % BUCKET
        self._lookbacks = lookbacks(objective.window)
        since = silence.since if silence else None
        back = [began(objective.window, until), until - recent(objective.window, until)]
        back += [until - length for length in self._lookbacks]
        self.asked = [Asked(objective, begin, until, group, since) for begin in back]
        if not objective.in_slices:
            ahead = (soon(objective), _FAR_AHEAD)
            self.asked += [Asked(objective, until, until + length, group) for length in ahead]

    def stand(self, answers: Sequence[Mapping[str, Reckoned]]) -> Stand:
        """What follows from the answers, in the order of the questions, each by unit."""
        objective = self._objective
        of_items = [one[ITEMS] for one in answers]
        whole, lately = of_items[:2]
        of = {length: (int(one.good), int(one.bad)) for length, one in zip(self._lookbacks, of_items[2:], strict=False)}
        due_soon, pending = (0, 0) if objective.in_slices else (int(of_items[-2].bad), of_items[-1].bad)
        return Stand(
            self.asked[0],
            answers[0],
            of,
            pending,
            pace(objective.window, self._until, objective.target, whole.good, whole.bad, lately.bad),
            burning(objective, of),
            singly(objective, of, int(whole.bad), due_soon),
        )
