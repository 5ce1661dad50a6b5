"""One message on its way to one target: what every channel makes its requests of. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from alerting.address import Address
from alerting.channels.answer import Answer, Outcome, Sendable
from alerting.message import PLAIN, Notice, Style, headline, sentence, word
from alerting.reader import PLAIN_READER, Reader
from alerting.targets import Rate


@dataclass(frozen=True, slots=True)
class Letter:
    """`at` is the time of the attempt (micros, UTC); `handle` is what earlier messages had to remember.

    `step` counts the requests that were made for this attempt before. `title` and `text` come of templates; what is
    empty is said in the built-in words. `remark` is added to what is said. With
    `buttons` people can answer where they read.
    """

    notice: Notice
    address: Address
    message_id: str
    at: int
    handle: Mapping[str, str] = field(default_factory=dict)
    step: int = 0
    reader: Reader = PLAIN_READER
    title: str = ""
    text: str = ""
    remark: str = ""
    buttons: bool = False

    @property
    def heading(self) -> str:
        """The first line, plain: `Firing: Orders waiting for Order accepted from sap`."""
        return self.title or f"{word(self.notice)}: {headline(self.notice)}"

    @property
    def over(self) -> bool:
        """Whether the incident has resolved."""
        return self.notice.transition == "resolved"

    @property
    def key(self) -> str:
        """By which receivers pair a resolve with its firing: one for each incident, whatever becomes of its routes."""
        return self.handle.get("key") or (
            f"milepost-{self.notice.incident}" if self.notice.incident else self.message_id
        )

    def say(self, style: Style = PLAIN) -> str:
        """The message, escaped as the channel needs it, with times and numbers for the reader."""
        styled = Style(style.escape, style.strong, self.reader)
        said = style.escape(self.text) if self.text else sentence(self.notice, styled)
        return f"{said}\n\n{style.escape(self.remark)}" if self.remark else said


class Channel(Protocol):
    """What a folder of `alerting/channels/` has: pure, and without a memory of its own.

    `request` makes the next request of a message, or None where nothing is left to do. `judge` says what an answer
    means. PACE is what the vendor takes from one sender, None without a limit; NOTES whether it is a place to tell what
    belongs to no incident; STAYS whether what was told lives where it was told, so that what follows must go there
    too, wherever the target has moved since.
    """

    PACE: Rate | None
    NOTES: bool
    STAYS: bool

    def request(self, letter: Letter, /) -> Sendable | None:
        """The next request of this message; None when it is done."""

    def judge(self, letter: Letter, answer: Answer, /) -> Outcome:
        """What the answer to it means; `letter` is the one that `request` was given."""
