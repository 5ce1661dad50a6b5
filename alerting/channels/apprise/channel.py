"""Whatever Apprise can reach. It says only whether a message went out: nothing is updated, and nothing remembered."""

from __future__ import annotations

from alerting.channels.answer import Answer, Fate, Outcome, Push
from alerting.channels.letter import Letter
from alerting.message import shorten
from alerting.targets import Rate
from slo_rules.durations import SECOND

PACE: Rate | None = Rate(1, SECOND)
NOTES = True
STAYS = False

TITLE_LIMIT = 250
_KINDS = {"resolved": "success", "note": "info"}


def request(letter: Letter) -> Push | None:
    """One message."""
    if letter.step:
        return None
    link = "".join(f"\n{words}: {url}" for words, url in letter.notice.links)
    kind = _KINDS.get(letter.notice.transition, "failure" if letter.notice.severity == "critical" else "warning")
    return Push(letter.address.url, shorten(letter.heading, TITLE_LIMIT), letter.say() + link, kind)


def judge(_letter: Letter, answer: Answer) -> Outcome:
    """Apprise does not say why it failed, so it is tried again; what it cannot read, or is not installed, never is."""
    text = answer.body[:200].decode("utf-8", "replace") or None
    if answer.status == 200:
        return Outcome(Fate.DELIVERED, "delivered", 200)
    if answer.status == 400:
        return Outcome(Fate.FAILED, "bad_address", 400, text, disables=True)
    if answer.status == 501:
        return Outcome(Fate.RETRY, "not_installed", 501, text)
    return Outcome(Fate.RETRY, "not_confirmed", answer.status, text, uncertain=True)
