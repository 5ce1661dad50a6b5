"""How somebody reads: in which zone times are told, and how numbers and money are spelled. Pure.

Without a locale numbers, money and times are spelled in English with the codes of currencies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time
from babel.numbers import format_compact_currency, format_currency, format_decimal
from babel.units import format_unit

from slo_rules.durations import SECOND, format_duration
from slo_rules.instants import to_datetime

_UNITS = ((Decimal(10) ** 12, " T"), (Decimal(10) ** 9, " B"), (Decimal(10) ** 6, " M"), (Decimal(10) ** 3, " k"))


@dataclass(frozen=True, slots=True)
class Reader:
    """`zone` is an IANA time zone, `locale` such as `de_DE` or empty."""

    zone: str = "UTC"
    locale: str = ""

    def number(self, count: int) -> str:
        """`1,204`, or as the locale groups digits."""
        return format_decimal(count, locale=self.locale) if self.locale else f"{count:,}"

    def money(self, value: Sequence[tuple[str, str]]) -> list[str]:
        """Each currency that is worth something: `USD 1.2 M`."""
        return [spelled for currency, amount in value if (spelled := self._amount(currency, amount))]

    def instant(self, at: int, now: int) -> str:
        """`09:14 UTC` today, `19 Nov 09:14 UTC` this year, `19 Nov 2025 09:14 UTC` before; days are those of the zone.

        `at` and `now` are micros since the Unix epoch, UTC.
        """
        zone = ZoneInfo(self.zone)
        moment, today = to_datetime(at).astimezone(zone), to_datetime(now).astimezone(zone)
        if self.locale:
            clock = format_time(moment, "short", tzinfo=zone, locale=self.locale) + f" {moment:%Z}"
            same_day = moment.date() == today.date()
            return clock if same_day else f"{format_date(moment, 'medium', locale=self.locale)} {clock}"
        clock = f"{moment:%H:%M} {moment:%Z}"
        if moment.date() == today.date():
            return clock
        year = "" if moment.year == today.year else f" {moment.year}"
        return f"{moment.day} {moment:%b}{year} {clock}"

    def duration(self, length: int) -> str:
        """A length in micros: `4h 30m`, or as the locale says it."""
        if not self.locale:
            return format_duration(length)
        parts: list[str] = []
        rest = length // SECOND
        for name, unit in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
            count, rest = divmod(rest, unit)
            if count or (unit == 1 and not parts):
                parts.append(format_unit(count, f"duration-{name}", "short", locale=self.locale))
        return " ".join(parts[:2])

    def _amount(self, currency: str, amount: str) -> str:
        try:
            number = Decimal(amount)
        except InvalidOperation:
            return ""
        if not number.is_finite() or number == 0:
            return ""
        if self.locale:
            if abs(number) >= 1_000_000:
                return format_compact_currency(number, currency, locale=self.locale, fraction_digits=1)
            return format_currency(number, currency, locale=self.locale)
        for size, unit in _UNITS:
            # What would round up to 1000 of the smaller unit is 1 of this one.
            if abs(number) >= size * Decimal("0.99995"):
                return f"{currency} {_trimmed((number / size).quantize(Decimal('0.1'), ROUND_HALF_UP))}{unit}"
        return f"{currency} {_trimmed(number.quantize(Decimal('0.01'), ROUND_HALF_UP))}"


PLAIN_READER = Reader()


def locale_fault(text: str) -> str | None:
    """What is wrong with the name of a locale."""
    try:
        Locale.parse(text)
    except (UnknownLocaleError, ValueError, TypeError):
        return "must be a locale such as de_DE"
    return None


def _trimmed(number: Decimal) -> str:
    return f"{number:f}".rstrip("0").rstrip(".") if number == number.to_integral_value() else f"{number:f}"
