"""What somebody said of an incident where he was told of it, and how that is known to be his own word. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from slo_rules.durations import MINUTE, SECOND

TOLERANCE = 5 * MINUTE
LONGEST_NAME = 100


class NotHeard(Exception):
    """A request that is not what it should be: `status` is the answer, the text what is wrong with it."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Act:
    """`who` says it of an incident: a name as the other system has it, and which that is, as in `mia (Slack)`."""

    what: Literal["acknowledge", "resolve"]
    incident: UUID
    who: str


def signed_by(secrets: Iterable[str], signed: bytes, given: Iterable[str]) -> bool:
    """Whether one of the given hex digests is the HMAC-SHA256 of what was signed, by one of the secrets.

    All are compared, and in a time that says nothing of where they differ.
    """
    wanted = [hmac.new(secret.encode(), signed, "sha256").hexdigest() for secret in secrets]
    texts = [one.encode("utf-8", "surrogatepass") for one in given]
    return sum(hmac.compare_digest(one, other.encode()) for one in texts for other in wanted) > 0


def in_time(seconds: str, now: int) -> bool:
    """Whether a signed time, in seconds since the epoch, is near enough to `now` (micros)."""
    if not (seconds.isascii() and seconds.isdecimal() and len(seconds) <= 12):
        return False
    return abs(int(seconds) * SECOND - now) <= TOLERANCE


def incident_of(text: object) -> UUID | None:
    """The incident that a text names; None where it names none."""
    try:
        return UUID(str(text).removeprefix("milepost-"))
    except ValueError:
        return None


def name_of(text: object, system: str) -> str:
    """Somebody's name on one line, and where he is called so."""
    said = " ".join("".join(one if one.isprintable() else " " for one in str(text or "")).split())
    return f"{said[:LONGEST_NAME] or 'somebody'} ({system})"
