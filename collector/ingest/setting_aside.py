"""Dead letters of events that were refused where they came in."""

from __future__ import annotations

from collector.ingest.cloudevents import Refused
from collector.log import DeadLetter, LetterReason

_MOST_SHOWN = 500


def letter_of(refused: Refused, unnamed: str = "unknown", place: str = "") -> DeadLetter:
    """The dead letter of a refused event: `unnamed` is its source where it names none, `place` begins its detail."""
    detail = place + "; ".join(
        f"{fault.field}: {fault.message}" if fault.field else fault.message for fault in refused.faults
    )
    source, id_, type_ = (
        without_nul(word)[:_MOST_SHOWN] if word else None for word in (refused.source, refused.id, refused.type)
    )
    return DeadLetter(source or unnamed, LetterReason.INVALID_EVENT, without_nul(detail), refused.body, id_, type_)


def without_nul(text: str) -> str:
    """What PostgreSQL can keep of a text."""
    return text.replace("\x00", "")
