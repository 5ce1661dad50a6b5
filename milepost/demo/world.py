"""Who and where: the accounts, suppliers, regions and hours of the simulated enterprise."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any, NamedTuple

from milepost.demo.actions import HOUR, SECOND

REGIONS = ("EMEA", "AMER", "APAC")
REGION_SHARES = {"EMEA": 0.45, "AMER": 0.33, "APAC": 0.22}
TIERS = ("gold", "silver", "bronze")
CARD_PROCESSORS = ("meridian", "atlaspay", "northpay")
_UTC_OFFSET = {"EMEA": 1, "AMER": -5, "APAC": 8}
_COUNTRIES = {
    "EMEA": (("DE", "EUR"), ("FR", "EUR"), ("GB", "GBP"), ("NL", "EUR"), ("IT", "EUR"), ("PL", "EUR")),
    "AMER": (("US", "USD"), ("CA", "USD"), ("MX", "USD"), ("BR", "USD")),
    "APAC": (("SG", "USD"), ("JP", "USD"), ("AU", "USD"), ("IN", "USD")),
}
LEGAL_ENTITIES = {
    "EMEA": ("DE10", "FR10", "GB10", "NL10"),
    "AMER": ("US10", "CA10"),
    "APAC": ("SG10", "JP10", "AU10"),
}
_FIRST = (
    "Globex", "Initech", "Umbra", "Northwind", "Contoso", "Fabrikam", "Acme", "Hooli", "Vandelay",
    "Wernham", "Stark", "Tyrell", "Cyberdyne", "Soylent", "Gringotts", "Oscorp", "Massive",
    "Aperture", "Bluth", "Dunder", "Sirius", "Monarch", "Zorin", "Duff", "Pied Piper", "Octan",
    "Virtucon", "Krusty", "Ollivander", "Rekall",
)  # fmt: skip
_SECOND = (
    "Manufacturing", "Logistics", "Foods", "Energy", "Medical", "Retail", "Chemicals", "Aerospace",
    "Textiles", "Instruments", "Media", "Water",
)  # fmt: skip
_SUPPLIERS = (
    "Borealis Steel", "Kessler Packaging", "Lumen Optics", "Marlow Freight", "Tessera Castings",
    "Quarry & Sons", "Helix Polymers", "Anvil Tooling", "Delta Bearings", "Juniper Paper",
)  # fmt: skip


class Account(NamedTuple):
    """A customer."""

    id: str
    name: str
    region: str
    tier: str
    country: str
    currency: str


def new_account(rng: random.Random, number: int, region: str) -> Account:
    """An account that did not exist before; `number` makes its id."""
    country, currency = rng.choice(_COUNTRIES[region])
    tier = rng.choices(TIERS, (15, 35, 50))[0]
    return Account(f"ACC-{number}", f"{rng.choice(_FIRST)} {rng.choice(_SECOND)}", region, tier, country, currency)


def customer(account: Account) -> dict[str, Any]:
    """What events say of the customer."""
    return {
        "account_id": account.id,
        "account_name": account.name,
        "region": account.region,
        "tier": account.tier,
    }


def customer_base(seed: int) -> dict[str, list[Account]]:
    """The customers the enterprise has had for long, by region."""
    rng = random.Random(f"{seed}:accounts")
    return {
        region: [new_account(rng, 10_000 + 1_000 * i + n, region) for n in range(80)]
        for i, region in enumerate(REGIONS)
    }


def supplier(rng: random.Random) -> tuple[str, str]:
    """The id and the name of a supplier."""
    index = rng.randrange(len(_SUPPLIERS))
    return f"V{100_200 + index}", _SUPPLIERS[index]


def amount(rng: random.Random, median: float, spread: float) -> float:
    """A log-normal amount of money with two decimals."""
    return round(median * rng.lognormvariate(0.0, spread), 2)


def rhythm(at: int) -> dict[str, float]:
    """How busy each region is at this hour of its own, weighted by its share; about 1 in all."""
    return {region: REGION_SHARES[region] * _busy(at + hours * HOUR) for region, hours in _UTC_OFFSET.items()}


def _busy(local: int) -> float:
    day = datetime.fromtimestamp(local // SECOND, UTC)
    hour = day.hour
    busy = 2.0 if 8 <= hour < 18 else 1.0 if 6 <= hour < 21 else 0.4
    return busy * (0.5 if day.weekday() >= 5 else 1.0)
