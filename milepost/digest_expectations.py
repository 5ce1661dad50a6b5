"""What a test expects of the daily list of what is overdue of a team."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from alerting.targets import Target
from milepost.expectations import Difference, Failure, read_instant, spell_instant
from milepost.message_expectations import WantedMessage, compare_messages, read_messages, read_told
from milepost.rehearsed_digests import Digests
from slo_rules.reading import Reader, suggestion
from slo_rules.workflow import Definitions

FIELDS = ("sent_at", "count", "told", "messages")


@dataclass(frozen=True, slots=True)
class DigestExpectation:
    """What must be so of the last digest of a team that was due by an instant (micros). None is not asked for."""

    at: int
    line: int
    team: str
    sent_at: int | None
    count: int | None
    told: tuple[str, ...] | None
    messages: tuple[WantedMessage, ...]


def read_digest_expectation(
    entry: Reader, start: int, definitions: Definitions | None, targets: Mapping[str, Target] | None
) -> DigestExpectation | None:
    """An expectation; None after a fault that leaves nothing of it. Without definitions no name is looked up."""
    if not entry.mapping(("at", "digest", *FIELDS), ("at", "digest")):
        return None
    at = read_instant(entry.at("at"), start) if entry.optional("at") else None
    named = entry.optional("digest")
    team = named.text() if named else ""
    if named and team and definitions is not None:
        _check_team(named, team, definitions)
    if not any(field in entry.value for field in FIELDS):
        entry.fault(f"expects nothing: say one of {', '.join(FIELDS)}")
    sent_at, count = entry.optional("sent_at"), entry.optional("count")
    number = count.value if count else None
    if count and (not isinstance(number, int) or isinstance(number, bool) or number < 0):
        count.fault("must be a number of instances such as 1")
        number = None
    told = read_told(entry.optional("told"), targets, reasons=False)
    messages = read_messages(entry.optional("messages"), start, targets)
    sent = read_instant(sent_at, start) if sent_at else None
    line = entry.document.line(entry.path)
    return None if at is None else DigestExpectation(at, line, team, sent, number, told, messages)


def compare_digest(expectation: DigestExpectation, digests: Digests, start: int) -> Failure | None:
    """What of an expectation does not hold where the rehearsal has come to its instant; None when all of it does."""
    last = next((one for one in reversed(digests.told) if one.team == expectation.team), None)
    at = spell_instant(last.at, start) if last else "none so far"
    told = tuple(one.target for one in last.sent) if last else ()
    differences = []
    if expectation.sent_at is not None and (last is None or last.at != expectation.sent_at):
        differences.append(Difference("sent_at", spell_instant(expectation.sent_at, start), at))
    if expectation.count is not None and (last is None or last.count != expectation.count):
        differences.append(Difference("count", str(expectation.count), str(last.count) if last else "none so far"))
    if expectation.told is not None and expectation.told != told:
        differences.append(Difference("told", ", ".join(expectation.told) or "nobody", ", ".join(told) or "nobody"))
    differences += compare_messages(expectation.messages, last.sent if last else (), start)
    if not differences:
        return None
    explanation = [
        f"Due at {spell_instant(one.at, start)}: {one.count} overdue, {len(one.sent) or 'nobody'} told."
        for one in digests.told
        if one.team == expectation.team
    ]
    subject = f"at {spell_instant(expectation.at, start)}, the digest of {expectation.team}"
    return Failure(expectation.line, subject, tuple(differences), tuple(explanation[-5:]))


def _check_team(entry: Reader, team: str, definitions: Definitions) -> None:
    if team not in definitions.teams:
        entry.fault(f"there is no team {team[:80]!r}{suggestion(team, definitions.teams)}")
        return
    spec = definitions.teams[team].get("spec")
    if not isinstance(spec, dict) or not spec.get("digest"):
        entry.fault(f"the team {team!r} has no digest")
