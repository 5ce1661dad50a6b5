"""Keys that would join the world: a default customer, a test number, a key that was declared too boldly.

A key that joins more instances than its definition allows joins none. That is told from what the events of one
instance carry: without the key the instance falls apart into more pieces than allowed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

from slo_rules.identity import Key, split_key

_GROWTH = 1.1
_MOST_AT_ONCE = 5


def crowds(before: int, after: int, at_most: int) -> bool:
    """Whether an instance that had so many joining keys and has so many now is to be looked at.

    That is so when it first has more than one key can join, and whenever it has grown by a tenth since.
    """
    return after > at_most + 1 and _step(before, at_most) != _step(after, at_most)


def _step(keys: int, at_most: int) -> int:
    return -1 if keys <= at_most + 1 else math.floor(math.log(keys / (at_most + 2), _GROWTH))


def hubs_of(carried: Sequence[Collection[Key]], at_most: Mapping[str, int]) -> dict[Key, int]:
    """The keys that hold too much together, each with how many pieces it joins; empty where none does.

    `carried` are the joining keys of each event of one instance, and `at_most` says by namespace how many instances a
    key may join. Several keys that come together, a test account with its test mail, are found together.
    """
    degree: dict[Key, set[Key]] = {}
    for keys in carried:
        for key in keys:
            degree.setdefault(key, set()).update(keys)
    suspects = [key for key, met in degree.items() if len(met) - 1 > at_most[split_key(key)[0]]]
    suspects.sort(key=lambda key: (-len(degree[key]), key))
    for number in range(1, min(len(suspects), _MOST_AT_ONCE) + 1):
        taken = set(suspects[:number])
        if _too_many(suspects[number - 1], taken, carried, at_most):
            for key in suspects[: number - 1]:
                if _too_many(suspects[number - 1], taken - {key}, carried, at_most):
                    taken.discard(key)
            return {key: len(_pieces(key, taken, carried)) for key in sorted(taken)}
    return {}


def _too_many(key: Key, taken: set[Key], carried: Sequence[Collection[Key]], at_most: Mapping[str, int]) -> bool:
    return len(_pieces(key, taken, carried)) > at_most[split_key(key)[0]]


def _pieces(key: Key, taken: set[Key], carried: Iterable[Collection[Key]]) -> set[Key]:
    """One key of each piece that the events with `key` belong to, when the keys `taken` join nothing."""
    leads: dict[Key, Key] = {}

    def root(one: Key) -> Key:
        while (lead := leads.setdefault(one, one)) != one:
            leads[one] = leads.get(lead, lead)
            one = lead
        return one

    touched: list[Key] = []
    for keys in carried:
        left = [one for one in keys if one not in taken]
        for one in left[1:]:
            leads[root(one)] = root(left[0])
        if left and key in keys:
            touched.append(left[0])
    return {root(one) for one in touched}
