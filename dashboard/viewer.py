"""Who looks: in which zone times are told, and how dates, numbers and money are spelled. Pure, but for `viewing`.

The browser knows both and says them in a cookie with every request (`assets/04-viewer.js`), so that what is drawn first
is right at once. Where nobody said anything, as in tests and before the first page, times are UTC and the spelling is
plain English. Words stay English in every locale.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from urllib.parse import unquote
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale, UnknownLocaleError
from babel.dates import DateTimePattern, get_day_names
from babel.numbers import format_compact_currency, format_currency, parse_pattern

COOKIE = "milepost_viewer"
_LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
_FRACTION = re.compile(r"0\.0+|0(?![.0])")


@dataclass(frozen=True, slots=True)
class Viewer:
    """`zone` is an IANA time zone; `locale` is such as `de_DE`, or empty for plain English."""

    zone: str = "UTC"
    locale: str = ""

    def local(self, at: datetime) -> datetime:
        """An aware time in the viewer's zone."""
        return at.astimezone(ZoneInfo(self.zone))

    def zone_name(self, at: datetime) -> str:
        """What the viewer's zone is called at a time: `UTC`, `CET`, `UTC-03`."""
        name = f"{self.local(at):%Z}"
        return f"UTC{name}" if name[:1] in "+-" else name

    def day(self, at: datetime) -> str:
        """`21 Nov`, in the order of the locale."""
        local = self.local(at)
        return self._apply("MMMd", local) if self.locale else f"{local.day} {local:%b}"

    def date(self, at: datetime) -> str:
        """`21 Nov 2026`."""
        local = self.local(at)
        return self._apply("yMMMd", local) if self.locale else f"{local.day} {local:%b %Y}"

    def month(self, at: datetime) -> str:
        """`November 2026`."""
        local = self.local(at)
        return self._apply("yMMMM", local) if self.locale else f"{local:%B %Y}"

    def weekday(self, at: datetime) -> str:
        """`Thursday`."""
        local = self.local(at)
        return str(get_day_names("wide", locale=self.locale)[local.weekday()]) if self.locale else f"{local:%A}"

    def clock(self, at: datetime) -> str:
        """`14:05`, or `2:05 PM` where people say so."""
        local = self.local(at)
        return self._apply("hm" if self.half_days else "Hm", local) if self.locale else f"{local:%H:%M}"

    def full_clock(self, at: datetime) -> str:
        """`14:05:09`, likewise."""
        local = self.local(at)
        return self._apply("hms" if self.half_days else "Hms", local) if self.locale else f"{local:%H:%M:%S}"

    @property
    def half_days(self) -> bool:
        """Whether the hours of a day are counted to twelve, twice."""
        return bool(self.locale) and "a" in Locale.parse(self.locale).time_formats["short"].pattern

    @property
    def month_first(self) -> bool:
        """Whether dates begin with the month."""
        pattern = _skeleton(self.locale, "MMMd").pattern if self.locale else "d MMM"
        return pattern.index("M") < pattern.index("d")

    @property
    def separators(self) -> str:
        """What stands before decimals and between thousands, as plotly has it: `.,`."""
        return f"{self.number(0.5, 1)[-2]}{self.number(1000)[1:-3] or ' '}"

    def number(self, value: float, digits: int = 0) -> str:
        """`1,234`, with so many decimals."""
        return _number(self.locale, value, digits) if self.locale else f"{value:,.{digits}f}"

    def percent(self, figure: str) -> str:
        """A figure that is spelled already, as percent: `98%`, and `98 %` where people put a space between."""
        before, after = _around_percent(self.locale) if self.locale else ("", "%")
        return f"{before}{figure}{after}"

    def money(self, amount: float, currency: str, *, compact: bool = False) -> str:
        """`$48,250`, or `$48k`; cents only where there are some and they still matter."""
        size = abs(amount)
        digits = 0 if size == int(size) or size >= 1000 else 2
        if not self.locale:
            return _plain_money(amount, currency, digits, compact=compact)
        if compact and size >= 10_000:
            told = 2 if size >= 999_500 else 0
            short = format_compact_currency(amount, currency, locale=self.locale, fraction_digits=told)
            # Where the locale has no word for thousands, the digits are all there and only ungrouped.
            if sum(map(str.isdigit, short)) < len(f"{size:.0f}"):
                return short
        pattern = Locale.parse(self.locale).currency_formats["standard"].pattern
        pattern = _FRACTION.sub("0." + "0" * digits if digits else "0", pattern)
        return format_currency(amount, currency, pattern, locale=self.locale, currency_digits=False)

    def _apply(self, skeleton: str, local: datetime) -> str:
        return str(_skeleton(self.locale, skeleton).apply(local, self.locale))


PLAIN = Viewer()
viewing: ContextVar[Viewer] = ContextVar("viewing", default=PLAIN)
"""Who looks at what is being drawn; set for each request, and read by nothing but the wording and the figures."""


@lru_cache(maxsize=1_000)
def viewer_of(said: str | None) -> Viewer:
    """Who looks, by what the cookie says: a zone and a locale with a bar between them, such as `Europe/Berlin|de-DE`.

    It comes from outside: a zone or a locale that is not known counts as not said.
    """
    zone, _, locale = unquote(said or "").partition("|")
    return Viewer(zone if zone in _zones() else PLAIN.zone, _known_locale(locale))


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _known_locale(text: str) -> str:
    if not _LOCALE.fullmatch(text):
        return ""
    for name in (text, text.partition("-")[0]):
        try:
            return str(Locale.parse(name, sep="-"))
        except (UnknownLocaleError, ValueError):
            continue
    return ""


@cache
def _skeleton(locale: str, skeleton: str) -> DateTimePattern:
    found: DateTimePattern = Locale.parse(locale).datetime_skeletons[skeleton]
    return found


@cache
def _around_percent(locale: str) -> tuple[str, str]:
    pattern = Locale.parse(locale).percent_formats[None].pattern.partition(";")[0]
    before, digits, after = re.split(r"([#0,.]+)", pattern, maxsplit=1)
    assert digits
    return before, after


@lru_cache(maxsize=20_000)
def _number(locale: str, value: float, digits: int) -> str:
    pattern = Locale.parse(locale).decimal_formats[None].pattern
    whole = pattern.partition(".")[0]
    return str(parse_pattern(f"{whole}.{'0' * digits}" if digits else whole).apply(round(value, digits), locale))


def _plain_money(amount: float, currency: str, digits: int, *, compact: bool) -> str:
    sign, size = ("−" if amount < 0 else ""), abs(amount)
    if compact and size >= 999_500:
        figure = f"{size / 1e6:.3g}M" if size < 999.5e6 else f"{size / 1e9:.3g}B"
    elif compact and size >= 10_000:
        figure = f"{size / 1e3:.0f}k"
    else:
        figure = f"{size:,.{digits}f}"
    symbol = _SYMBOLS.get(currency)
    return f"{sign}{symbol}{figure}" if symbol else f"{sign}{currency} {figure}"
