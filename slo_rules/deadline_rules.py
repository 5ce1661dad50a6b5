"""Named deadlines in words of the business calendar: `next_business_day 16:00`, `end of month - 2 business days`."""

from __future__ import annotations

import re

import msgspec

from slo_rules.periods import Period
from slo_rules.wall_time import parse_time_of_day, spell_time_of_day

MOST_BUSINESS_DAYS = 250
SPELLINGS = (
    "same_day 18:00",
    "next_business_day 16:00",
    "2 business days 16:00",
    "end of week",
    "end of month",
    "end of quarter",
    "end of year",
    "end of month - 2 business days",
    "end of month + 1 business day 16:00",
)

RECURRING_SPELLINGS = (
    "every business day 06:00",
    "every business day",
    "end of week",
    "end of month - 2 business days 18:00",
    "end of quarter + 1 business day",
)

_TIME = r"(?: (?P<time>[0-9]{1,2}:[0-9]{2}))?"
_SHAPES = tuple(
    re.compile(shape + _TIME)
    for shape in (
        r"same (?:business )?day",
        r"(?P<next>next) business day",
        r"(?P<days>[0-9]{1,6}) business days?",
        r"end of (?P<period>week|month|quarter|year)(?: ?(?P<sign>[+-]) ?(?P<shift>[0-9]{1,6}) business days?)?",
    )
)
_EVERY_DAY = re.compile(r"(?:every )?business day" + _TIME)
_SPACES = re.compile(r"[\s_]+")


class DeadlineRule(msgspec.Struct, frozen=True):
    """A named deadline: so many business days after the day of the start, or from the last business day of a period.

    The period DAY is the day of the start itself.
    `time` is in minutes after local midnight of the day found; None is the close of business on that day.
    """

    period: Period
    business_days: int = 0
    time: int | None = None

    def __str__(self) -> str:
        """A spelling that `parse_deadline_rule` reads as this rule."""
        count = abs(self.business_days)
        days = f"{count} business day{'' if count == 1 else 's'}"
        if self.period is Period.DAY:
            text = days if count else "same day"
        else:
            text = f"end of {self.period}"
            if count:
                text += f" {'+' if self.business_days > 0 else '-'} {days}"
        return text if self.time is None else f"{text} {spell_time_of_day(self.time)}"


def parse_deadline_rule(text: str) -> DeadlineRule:
    """The rule that a text names. ValueError, with the accepted spellings, when it names none.

    - `same_day 18:00`: the day of the start
    - `next_business_day 16:00`, the same as `1 business day 16:00`
    - `2 business days 16:00`: 1 to 250 business days after the day of the start
    - `end of week`, `end of month`, `end of quarter`, `end of year`: the last business day of it; with
      ` - 2 business days` or ` + 1 business day` as many before or after that one

    Every rule takes a time of day at its end, `00:00` to `24:00`; without one it means the close of business.
    `same_day` may be written `same day` or `same business day`; case, spaces and underscores make no difference;
    the minus may be U+2212 or a dash.
    """
    plain = _plain(text)
    found = next((found for shape in _SHAPES if (found := shape.fullmatch(plain))), None)
    if found is None:
        raise ValueError(f"{text[:80]!r} is not a deadline; write it like one of: {'; '.join(SPELLINGS)}")
    parts = found.groupdict()
    days = 1 if parts.get("next") else int(parts.get("days") or parts.get("shift") or 0)
    if days > MOST_BUSINESS_DAYS or (days == 0 and ("days" in parts or parts.get("shift"))):
        raise ValueError(f"{text[:80]!r}: the business days must be 1 to {MOST_BUSINESS_DAYS}")
    return DeadlineRule(
        period=Period(parts.get("period") or Period.DAY),
        business_days=-days if parts.get("sign") == "-" else days,
        time=parse_time_of_day(parts["time"]) if parts["time"] else None,
    )


def parse_recurring_rule(text: str) -> DeadlineRule:
    """The rule of a schedule that a text names. ValueError, with the accepted spellings, when it names none.

    - `every business day 06:00`, the same as `business_day 06:00`
    - `end of week`, `end of month`, `end of quarter`, `end of year`, with or without business days, as of a deadline

    Without a time of day it is the close of business. What is counted from a start is no schedule.
    """
    daily = _EVERY_DAY.fullmatch(_plain(text))
    if daily is not None:
        return DeadlineRule(Period.DAY, time=parse_time_of_day(daily["time"]) if daily["time"] else None)
    if _SHAPES[-1].fullmatch(_plain(text)) is None:
        raise ValueError(f"{text[:80]!r} is no schedule; write it like one of: {'; '.join(RECURRING_SPELLINGS)}")
    return parse_deadline_rule(text)


def _plain(text: str) -> str:
    return _SPACES.sub(" ", re.sub("[−–]", "-", text)).strip().lower()
