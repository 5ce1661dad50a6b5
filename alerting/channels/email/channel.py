"""E-mail: one thread for each incident, as HTML and as text.

The firing is the root of the thread and its Message-ID follows from the incident, so what is sent twice is one mail to
whoever drops repetitions by it, and later mails find their root without having to remember anything.
"""

from __future__ import annotations

import hashlib
import html
import re
from dataclasses import replace
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses, parseaddr

from alerting.channels.answer import Answer, Fate, Mail, Outcome
from alerting.channels.letter import Letter
from alerting.message import Style, headline, shorten
from alerting.targets import Rate
from slo_rules.durations import SECOND
from slo_rules.instants import to_datetime

PACE: Rate | None = Rate(5, SECOND)
NOTES = True
STAYS = False

SUBJECT_LIMIT = 200
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_COLOURS = {"resolved": "#2b8a3e", "note": "#495057", "updated": "#c92a2a", "firing": "#c92a2a"}


def request(letter: Letter) -> Mail | None:
    """One mail, ready for the wire."""
    if letter.step:
        return None
    address = letter.address
    pairs = getaddresses([address.get("to")])
    recipients = tuple(mail for _, mail in pairs if mail)
    sender = parseaddr(address.get("from"))[1]
    body = message(letter).as_bytes(policy=SMTP)
    return Mail(address.url, sender, recipients, body, address.get("user"), address.secret or "")


def message(letter: Letter) -> EmailMessage:
    """The mail. Line ends in a subject would begin another header."""
    notice, address = letter.notice, letter.address
    domain = parseaddr(address.get("from"))[1].partition("@")[2]
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = address.get("from"), address.get("to")
    # Mail programs sort by the subject as well: it stays the same for the whole thread, but for what has become of it.
    subject = letter.title or f"{'Resolved: ' if letter.over else ''}{headline(notice)}"
    mail["Subject"] = shorten(" ".join(_CONTROLS.sub(" ", subject).split()), SUBJECT_LIMIT)
    mail["Date"] = format_datetime(to_datetime(notice.at))
    root = _message_id(f"{notice.incident or letter.message_id}/{address.get('to')}", domain)
    first = notice.transition in ("firing", "note") or not notice.incident
    mail["Message-ID"] = root if first else _message_id(letter.message_id, domain)
    if not first:
        mail["In-Reply-To"] = mail["References"] = root
    mail["Auto-Submitted"] = "auto-generated"
    links = [f"{'The list' if url == notice.link else words}: {url}" for words, url in notice.links]
    mail.set_content("\n\n".join([letter.heading, letter.say(), *(["\n".join(links)] if links else [])]) + "\n")
    mail.add_alternative(_page(letter), subtype="html")
    return mail


def judge(_letter: Letter, answer: Answer) -> Outcome:
    """2xx is relayed; 4xx is tried again; a login or recipients that are refused want no more."""
    text = answer.body[:200].decode("utf-8", "replace").replace("\x00", "") or None
    if 200 <= answer.status < 300:
        return Outcome(Fate.DELIVERED, "relayed", answer.status, text)
    if 400 <= answer.status < 500:
        return Outcome(Fate.RETRY, "put_off", answer.status, text, uncertain=bool(answer.headers.get("uncertain")))
    outcome = Outcome(Fate.FAILED, "refused", answer.status, text)
    return replace(outcome, disables=answer.status in (530, 535, 550, 551, 553))


def _message_id(of: str, domain: str) -> str:
    return f"<{hashlib.sha256(of.encode()).hexdigest()[:32]}@{domain or 'milepost.invalid'}>"


def _page(letter: Letter) -> str:
    said = letter.say(Style(html.escape, lambda escaped: f"<strong>{escaped}</strong>" if escaped.strip() else escaped))
    shown = "".join(
        f'<p><a href="{html.escape(url)}">{html.escape(words)}</a></p>' for words, url in letter.notice.links
    )
    line = f"border-left:6px solid {_COLOURS.get(letter.notice.transition, '#495057')};padding-left:12px;font-size:18px"
    return (
        '<!doctype html><html lang="en"><body style="font-family:sans-serif;color:#212529">'
        f'<h2 style="{line}">{html.escape(letter.heading)}</h2>'
        f"<p>{said.replace(chr(10), '<br>')}</p>{shown}</body></html>\n"
    )
