"""Which events may concern one instance: what is connected, found without knowing the instances.

Events that share a joining key concern one instance, and so do events whose keys were stored with one instance. Where
that is only suspected, more is connected than need be; that costs balance and never correctness.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence


class Connected:
    """Nodes and what connects them, in rounds: a union-find that lets go of what it has not heard of for two rounds.

    What was connected stays so as long as either end is mentioned.
    """

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._numbers: dict[Hashable, int] = {}
        self._former: list[dict[Hashable, int]] = [{}, {}]

    def connect(self, nodes: Iterable[Hashable]) -> int:
        """Connect these, at least one; a number of what they are part of now, for `whole` in the same round."""
        numbers, parents = self._numbers, self._parents
        first = -1
        for node in nodes:
            number = numbers.get(node)
            if number is None:
                number = numbers[node] = self._number(node)
            while parents[number] != number:
                parents[number] = number = parents[parents[number]]
            if first < 0:
                first = number
            elif number != first:
                parents[number] = first
        return first

    def _number(self, node: Hashable) -> int:
        for former in self._former:
            if node in former:
                return former[node]
        self._parents.append(len(self._parents))
        return len(self._parents) - 1

    def whole(self, number: int) -> int:
        """The number of everything that is connected with what `connect` gave this number."""
        parents = self._parents
        while parents[number] != number:
            parents[number] = number = parents[parents[number]]
        return number

    def turn(self) -> None:
        """Begin another round."""
        kept: dict[int, int] = {}
        rounds = [
            {node: kept.setdefault(self.whole(number), len(kept)) for node, number in numbers.items()}
            for numbers in (self._numbers, self._former[0])
        ]
        self._parents = list(range(len(kept)))
        self._numbers = {}
        self._former = rounds


def deal(wholes: Sequence[int], shares: int) -> dict[int, int]:
    """To which of so many shares each whole goes, given the whole of every event: about equally many events to each."""
    loads = [0] * shares
    dealt = {}
    for whole, events in Counter(wholes).most_common():
        lightest = loads.index(min(loads))
        dealt[whole] = lightest
        loads[lightest] += events
    return dealt
