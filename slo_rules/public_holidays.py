"""Public holidays by country and subdivision, from the package `holidays`.

The package is imported where it is needed: it costs some 50 ms, and most commands read no calendar.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable
from datetime import date

import msgspec

# Half days and days worked in exchange for others are no closed days; they are dates with hours of their own.
_NOT_CLOSED = ("half_day", "workday")
# Fixed, because the package would else ask the environment of the process.
_LANGUAGE = "en_US"
# Silencing warnings changes the whole process, and undoing it in another order would leave them silenced.
_SILENCE = threading.Lock()


class HolidayRules(msgspec.Struct, frozen=True):
    """Which holidays count. `leave_out` holds names as `names` spells them; no categories: the public holidays."""

    country: str
    subdivision: str = ""
    categories: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()


def in_year(rules: HolidayRules, year: int) -> dict[date, str]:
    """The holidays of a year with their names, in English where the package has them; several are parted by `; `.

    Empty for a year of which the package knows nothing. Raises NotImplementedError for a country or a subdivision,
    ValueError for a category, that it does not have.
    """
    from holidays import HOLIDAY_NAME_DELIMITER, country_holidays  # noqa: PLC0415 - slow, see above

    with _SILENCE, warnings.catch_warnings():
        # Some countries warn outside the years for which religious dates are known.
        warnings.simplefilter("ignore")
        found = country_holidays(
            rules.country,
            subdiv=rules.subdivision or None,
            years=year,
            expand=False,
            language=_LANGUAGE,
            categories=rules.categories or None,
        )
    days: dict[date, str] = {}
    for day, joined in found.items():
        kept = [name for name in joined.split(HOLIDAY_NAME_DELIMITER) if _plain(name) not in rules.leave_out]
        if kept and day.year == year:
            days[day] = HOLIDAY_NAME_DELIMITER.join(kept)
    return days


def names(rules: HolidayRules, years: Iterable[int]) -> set[str]:
    """The names of the holidays in these years, without additions such as `(observed)`. Raises like `in_year`."""
    from holidays import HOLIDAY_NAME_DELIMITER  # noqa: PLC0415 - slow, see above

    found = (joined for year in years for joined in in_year(rules, year).values())
    return {_plain(name) for joined in found for name in joined.split(HOLIDAY_NAME_DELIMITER)}


def countries() -> dict[str, str]:
    """ISO 3166 codes of two or three letters, with the name of the country: `DE` → `germany`."""
    from holidays.registry import COUNTRIES  # noqa: PLC0415 - slow, see above

    return {code: name for name, spellings in COUNTRIES.items() for code in spellings if 2 <= len(code) <= 3}


def subdivisions(country: str) -> tuple[str, ...]:
    """Codes and other accepted names of the subdivisions of a known country."""
    import holidays  # noqa: PLC0415 - slow, see above

    entity = holidays.country_holidays(country)
    return (*entity.subdivisions, *entity.subdivisions_aliases)


def categories(country: str) -> tuple[str, ...]:
    """The categories of closed days that a known country has."""
    import holidays  # noqa: PLC0415 - slow, see above

    return tuple(name for name in holidays.country_holidays(country).supported_categories if name not in _NOT_CLOSED)


def _plain(name: str) -> str:
    return name.partition(" (")[0]
