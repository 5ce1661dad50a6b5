"""What a set of bad instances has in common that the rest has not.

Of each value of each attribute it is known how many of the bad instances and of the rest have it. What is said of a
value follows from these four counts: how much likelier an instance with it is to be bad, how sure that is, and how many
bad instances are beyond what the rest lets expect. Who looks at many values finds some by chance, so all that were
looked at are corrected for together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import exp, lgamma, log, sqrt

import msgspec

from slo_rules.progress import Scalar
from slo_rules.rounding import spell_share

FEWEST = 3
"""Instances that must share a value for it to be looked at; by bad and rest together, which says nothing of either."""
FALSE_DISCOVERIES = 0.05
"""The share of what is called significant that may be there by chance."""
CONSTANT = "constant"
NEARLY_UNIQUE = "nearly_unique"
_TWO_SIDED_95 = 1.959963984540054
_NEGLIGIBLE = 1e-17

Counts = Mapping[Scalar | None, int]


class Attribute(msgspec.Struct, frozen=True):
    """How many of the bad instances and of the rest have each value, without those that none has.

    Under None are those that could have a value and do not; those that cannot have the attribute are in neither.
    """

    name: str
    bad: Counts
    rest: Counts


class Difference(msgspec.Struct, frozen=True):
    """A value that is more frequent among the bad.

    `bad` of `bad_of` and `rest` of `rest_of` instances have it. `ratio` is the share of bad instances among those with
    the value, divided by that among those without, with its 95 % confidence interval; it is `bounded` by the smallness
    of the counts only where one of the four is zero. `excess` is how many of `bad` are beyond what the share among
    those without lets expect. `p` is the probability that chance alone brings as many or more (0 below 1e-307), and `q`
    the same corrected for everything that was looked at.
    """

    attribute: str
    value: Scalar | None
    bad: int
    bad_of: int
    rest: int
    rest_of: int
    ratio: float
    low: float
    high: float
    bounded: bool
    excess: float
    p: float
    q: float

    @property
    def significant(self) -> bool:
        """Whether it is told from chance."""
        return self.q <= FALSE_DISCOVERIES


class Differences(msgspec.Struct, frozen=True):
    """What was found, best first; how many values were looked at for it; and the attributes that were not, with why."""

    found: tuple[Difference, ...]
    looked_at: int
    left_out: dict[str, str]


def differences(attributes: Iterable[Attribute]) -> Differences:
    """The values that are more frequent among the bad than the rest: significant first, then by their excess."""
    looked_at = 0
    left_out: dict[str, str] = {}
    over: list[Difference] = []
    for attribute in attributes:
        bad, rest = attribute.bad, attribute.rest
        if len(bad.keys() | rest.keys()) < 2:
            left_out[attribute.name] = CONSTANT
            continue
        shared = [value for value, count in bad.items() if count + rest.get(value, 0) >= FEWEST]
        among = len(shared) + sum(count >= FEWEST and value not in bad for value, count in rest.items())
        if not among:
            left_out[attribute.name] = NEARLY_UNIQUE
            continue
        looked_at += among
        bad_of, rest_of = sum(bad.values()), sum(rest.values())
        over += [
            _difference(attribute.name, value, bad[value], bad_of, rest.get(value, 0), rest_of)
            for value in shared
            if bad[value] * rest_of > rest.get(value, 0) * bad_of
        ]
    # What is not more frequent among the bad counts as looked at, with a probability of 1.
    corrected = zip(over, corrected_for_all([one.p for one in over], looked_at), strict=True)
    found = [msgspec.structs.replace(one, q=q) for one, q in corrected]
    found.sort(key=lambda one: (not one.significant, -one.excess, one.p, one.attribute, str(one.value)))
    return Differences(tuple(found), looked_at, left_out)


def _difference(name: str, value: Scalar | None, bad: int, bad_of: int, rest: int, rest_of: int) -> Difference:
    ratio, low, high, bounded = risk_ratio(bad, rest, bad_of - bad, rest_of - rest)
    excess = bad - (bad + rest) * (bad_of - bad) / (bad_of - bad + rest_of - rest)
    p = chance_of_as_many(bad, bad_of, bad + rest, bad_of + rest_of)
    return Difference(name, value, bad, bad_of, rest, rest_of, ratio, low, high, bounded, excess, p, p)


def risk_ratio(a: int, b: int, c: int, d: int) -> tuple[float, float, float, bool]:
    """How much likelier bad is with a value, of `a` bad and `b` good ones, than without it, of `c` and `d`.

    With the ends of its 95 % confidence interval by the logarithm (Katz et al., Biometrics 34 (1978) 469-474). Where
    one of the four is zero, half is added to each (the Haldane-Anscombe correction), which the last result says.
    """
    bounded = not (a and b and c and d)
    half = 0.5 if bounded else 0.0
    with_it, without = a + b + 2 * half, c + d + 2 * half
    logarithm = log((a + half) / with_it) - log((c + half) / without)
    error = sqrt(max(0.0, 1 / (a + half) - 1 / with_it + 1 / (c + half) - 1 / without))
    reach = _TWO_SIDED_95 * error
    return exp(logarithm), exp(logarithm - reach), exp(logarithm + reach), bounded


def chance_of_as_many(found: int, drawn: int, marked: int, total: int) -> float:
    """The probability that at least `found` of `drawn` are marked, where `marked` of `total` are and chance draws.

    Fisher's exact test against more than expected. Exact for large counts too: beyond what is expected the terms fall
    so quickly that few are needed.
    """
    first, last = max(found, drawn + marked - total, 0), min(drawn, marked)
    if first > last:
        return 0.0
    if found <= max(0, drawn + marked - total):
        return 1.0
    term = 1.0
    terms = 1.0
    for k in range(first, last):
        term *= (marked - k) * (drawn - k) / ((k + 1) * (total - marked - drawn + k + 1))
        terms += term
        # Only beyond the peak do they fall.
        if term < _NEGLIGIBLE * terms and (k + 1) * total > drawn * marked:
            break
    probability = _log_choose(marked, first) + _log_choose(total - marked, drawn - first) - _log_choose(total, drawn)
    return min(1.0, exp(probability + log(terms)))


def _log_choose(of: int, some: int) -> float:
    return lgamma(of + 1) - lgamma(some + 1) - lgamma(of - some + 1)


def corrected_for_all(probabilities: Sequence[float], looked_at: int) -> list[float]:
    """In the same order: the share of false ones if this and all smaller ones are believed, of all `looked_at`.

    Benjamini and Hochberg, J. R. Statist. Soc. B 57 (1995) 289-300. What was looked at and is not given counts as 1.
    """
    order = sorted(range(len(probabilities)), key=probabilities.__getitem__, reverse=True)
    corrected = [1.0] * len(probabilities)
    least = 1.0
    for place, index in enumerate(order):
        least = min(least, probabilities[index] * (looked_at / (len(order) - place)))
        corrected[index] = least
    return corrected


def in_words(difference: Difference, predicate: str) -> str:
    """`38 of 46 have connector_version 2.3.0, against 12% of the others: 27× as likely`; the predicate is what they do.

    How many times as likely is left out where a count of zero lets only a bound be told.
    """
    whole = difference.bad == difference.bad_of
    them = f"All {difference.bad}" if whole else f"{difference.bad} of {difference.bad_of}"
    share = spell_share(difference.rest / difference.rest_of) if difference.rest else "none"
    said = f"{them} {predicate}, against {share} of the others"
    return said if difference.bounded else f"{said}: {_times(difference.ratio)} as likely"


def _times(ratio: float) -> str:
    return f"{ratio:.0f}×" if ratio >= 10 else f"{ratio:.1f}×"
