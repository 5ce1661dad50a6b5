"""Sentences that the judgement and the API wrote, spelled as the rest of a page is for whoever looks."""

from __future__ import annotations

import re
from datetime import datetime

from dashboard.viewer import PLAIN, viewing

_TOLD_INSTANT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC")
_TOLD_SHARE = re.compile(r"(?<![\w.,'])(\d+)%")
_TOLD_TIMES = re.compile(r"(?<![\w.,'])(\d+\.\d)×")
_TOLD_LENGTH = re.compile(r"(?<![\w.,:'/-])(?=\d)(\d+d)?(\d+h)?(\d+m)?(\d+s)?(?![\w'/-])")


def retold(sentence: str) -> str:
    """A sentence of the judgement or the API as the rest of the page spells it, and in the viewer's zone.

    Such sentences tell times as `2026-11-21 09:14 UTC`, shares as `12%` and how long something is as `1d2h15m`. What
    stands in quotes is what a system said, and stays as it is.
    """
    if viewing.get() != PLAIN:
        sentence = _TOLD_INSTANT.sub(_instant_again, sentence)
        sentence = _TOLD_SHARE.sub(lambda found: viewing.get().percent(found[1]), sentence)
        sentence = _TOLD_TIMES.sub(lambda found: f"{viewing.get().number(float(found[1]), 1)}×", sentence)
    return _TOLD_LENGTH.sub(_length_again, sentence)


def _instant_again(found: re.Match[str]) -> str:
    at, viewer = datetime.fromisoformat(found[0].replace(" UTC", "Z")), viewing.get()
    clock = viewer.full_clock(at) if found[1] else viewer.clock(at)
    return f"{viewer.date(at)} {clock} {viewer.zone_name(at)}"


_LENGTH_UNITS = ("d", "h", "min", "s")


def _length_again(found: re.Match[str]) -> str:
    """`1 d 2 h 15 min`: to the last unit, for it may be a promise."""
    told = (f"{part[:-1]} {unit}" for part, unit in zip(found.groups(), _LENGTH_UNITS, strict=True) if part)
    return " ".join(told)
