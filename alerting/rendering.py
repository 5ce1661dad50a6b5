"""From a notice to a letter: what the target's templates say of it, or the built-in words. Pure."""

from __future__ import annotations

from typing import Any

from alerting.address import Address
from alerting.channels.letter import Letter
from alerting.message import Notice, Style, headline, money, sentence, word
from alerting.reader import Reader
from alerting.targets import Target
from alerting.templates import Faulty, render


def letter(notice: Notice, target: Target | None, address: Address, message_id: str, at: int) -> tuple[Letter, str]:
    """The letter for a target, and what is wrong with its templates, empty where nothing is.

    A target that is gone from the files has neither templates nor a reader of its own. A faulty template is passed
    over, and says so in the message, for whoever reads it.
    """
    if target is None:
        return Letter(notice, address, message_id, at), ""
    reader = Reader(target.zone, target.locale)
    buttons = bool(target.inbound_secret)
    plain = Letter(notice, address, message_id, at, reader=reader, buttons=buttons)
    if notice.said or not (target.title or target.text):
        return plain, ""
    words = values(notice, reader)
    said: dict[str, str] = {}
    wrong: list[str] = []
    for name in ("title", "text"):
        source = getattr(target, name)
        try:
            said[name] = render(source, words) if source else ""
        except Faulty as error:
            wrong.append(f"{name}: {error}")
    remark = f"The template of {target.name} cannot be used: {'; '.join(wrong)}." if wrong else ""
    title = " ".join(said.get("title", "").split())
    made = Letter(
        notice, address, message_id, at, reader=reader, title=title, text=said.get("text", ""), remark=remark,
        buttons=buttons,
    )  # fmt: skip
    return made, "; ".join(wrong)


def values(notice: Notice, reader: Reader) -> dict[str, Any]:
    """What a template may name: the notice, with times, money and durations spelled for the reader."""

    def instant(at: int | None) -> str | None:
        return None if at is None else reader.instant(at, notice.at)

    lasted = None
    if notice.opened_at is not None:
        lasted = reader.duration((notice.resolved_at or notice.at) - notice.opened_at)
    waiting = None if notice.oldest_since is None else reader.duration(notice.at - notice.oldest_since)
    return {
        "word": word(notice),
        "headline": headline(notice),
        "sentence": sentence(notice, Style(reader=reader)),
        "transition": notice.transition,
        "verdict": notice.verdict,
        "severity": notice.severity,
        "workflow": notice.workflow,
        "milestone": notice.waiting_for_title or notice.waiting_for,
        "source": notice.source,
        "owner": notice.owner,
        "owners": list(notice.owners),
        "domain": notice.domain,
        "entity": notice.entity,
        "count": notice.count,
        "peak_count": notice.peak_count,
        "value": money(notice.value, reader),
        "peak_value": money(notice.peak_value, reader),
        "oldest_since": instant(notice.oldest_since),
        "opened_at": instant(notice.opened_at),
        "resolved_at": instant(notice.resolved_at),
        "lasted": lasted,
        "waiting": waiting,
        "link": notice.link,
        "incident": notice.incident,
        "incident_link": notice.incident_link,
        "runbook": notice.runbook,
        "apart": list(notice.apart),
        "drained_at": instant(notice.drained_at),
        "acknowledged_by": notice.acknowledged_by,
        "assignee": notice.assignee,
        "reason": notice.reason,
        "drill": notice.drill,
    }
