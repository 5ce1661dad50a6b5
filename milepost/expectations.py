"""What a test expects of an instance at an instant: reading it from a file, and comparing it with what is found."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum

import msgspec

from slo_rules.durations import SECOND, format_duration, parse_duration
from slo_rules.explain import explain
from slo_rules.identity import Key, normalise_key, split_key
from slo_rules.instants import rfc3339, to_micros
from slo_rules.judgement import Reason, VerdictKind
from slo_rules.parts import view_of
from slo_rules.progress import Scalar
from slo_rules.reading import Reader, suggestion
from slo_rules.rehearsal import Rehearsal, RehearsedInstance
from slo_rules.rounding import clock
from slo_rules.standing import standing
from slo_rules.workflow import AMOUNT, CURRENCY, Definitions, Workflow

SHOWN = 5
"""How many of something are listed; a test of thousands of events need not print them all."""
_ZERO = re.compile(r"0|(?:0{1,6}[wdhms])+")
_YEARS = range(1000, 9000)
_MOST_DIGITS = 30
"""Before and after the point: few letters could ask for a number that fills the memory when it is shown."""

Value = Scalar | Decimal | tuple[str, ...] | None


class Wanted(msgspec.Struct, frozen=True):
    """One thing that is expected: a field of an expectation, or a member of one. None means there must be none."""

    field: str
    member: str | None
    value: Value
    part: str | None = None

    @property
    def name(self) -> str:
        """As a path in the file."""
        return ".".join(word for word in (self.field, self.member, self.part) if word is not None)


class Expectation(msgspec.Struct, frozen=True):
    """What must be so at an instant (micros). Without a key it speaks of all instances of the workflow."""

    at: int
    line: int
    workflow: str
    key: Key | None
    absent: bool
    wanted: tuple[Wanted, ...]


class Difference(msgspec.Struct, frozen=True):
    """One thing that is not as expected, in words."""

    name: str
    expected: str
    found: str


class Failure(msgspec.Struct, frozen=True):
    """An expectation that does not hold; `explanation` says how the instance stands instead, a sentence a line."""

    line: int
    subject: str
    differences: tuple[Difference, ...]
    explanation: tuple[str, ...]


# Instants


def read_instant(reader: Reader, start: int) -> int | None:
    """Micros of an instant: RFC 3339 with a zone, or an offset from `start` such as 20m or -1h."""
    text = str(reader.value)
    if isinstance(reader.value, (str, int)) and not isinstance(reader.value, bool):
        offset = text.removeprefix("-")
        if _ZERO.fullmatch(offset):
            return start
        if len(text) >= 10 and text[4:5] == "-":
            return _moment(reader, text)
        try:
            return start + parse_duration(offset) * (-1 if text != offset else 1)
        except ValueError as error:
            if "longer" in str(error):
                reader.fault(str(error))
                return None
    reader.fault(f"{text[:80]!r} is not an instant: write an offset such as 20m, or 2026-11-21T09:14:00Z")
    return None


def _moment(reader: Reader, text: str) -> int | None:
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        reader.fault(f"{text[:80]!r} is not an RFC 3339 timestamp such as 2026-11-21T09:14:00Z")
        return None
    if moment.tzinfo is None:
        reader.fault("must say its zone: end it with Z or an offset")
        return None
    if moment.year not in _YEARS:
        reader.fault(f"must lie between the years {_YEARS[0]} and {_YEARS[-1]}")
        return None
    return to_micros(moment)


def spell_instant(at: int, start: int) -> str:
    """The offset from `start`, where it is of whole seconds, and the instant itself."""
    offset = spell_offset(at, start)
    return offset if offset == rfc3339(at) else f"{offset} ({clock(at)})"


def spell_offset(at: int, start: int) -> str:
    """The offset of an instant from `start`; the instant itself where that is not of whole seconds."""
    return rfc3339(at) if (at - start) % SECOND else format_duration(at - start)


# Reading


def read_expectation(entry: Reader, start: int, definitions: Definitions | None) -> Expectation | None:
    """An expectation; None after a fault that leaves nothing of it. Without definitions no name is looked up."""
    if not entry.mapping(("at", "instance", "absent", *_FIELDS), ("at", "instance")):
        return None
    at = read_instant(entry.at("at"), start) if entry.optional("at") else None
    absent = bool((flag := entry.optional("absent")) and flag.flag())
    name, key, workflow = _subject(entry, definitions, absent=absent)
    present = [field for field in _FIELDS if field in entry.value]
    wanted = [one for field in present for one in _wanted(entry.at(field), field, start, workflow)]
    if absent and set(present) - {"instances"}:
        entry.fault("nothing but 'instances' can be expected of an instance that is absent")
    elif not present and not absent:
        entry.fault(f"expects nothing: say one of {', '.join(_FIELDS)} or absent")
    elif key is None and (absent or set(present) - {"instances"}):
        entry.fault("without the key of an instance only 'instances' can be expected", (*entry.path, "instance"))
    line = entry.document.line(entry.path)
    return None if at is None else Expectation(at, line, name, key, absent, tuple(wanted))


def _subject(
    entry: Reader, definitions: Definitions | None, *, absent: bool
) -> tuple[str, Key | None, Workflow | None]:
    instance = entry.optional("instance")
    if instance is None or not instance.mapping(("workflow", "key"), ("workflow",)):
        return "", "", None
    named, keyed = instance.optional("workflow"), instance.optional("key")
    name = named.text() if named else ""
    workflow = definitions.workflows.get(name) if definitions else None
    if named and name and definitions and workflow is None:
        named.fault(f"there is no workflow {name!r}{suggestion(name, definitions.workflows)}")
    return name, _key(keyed, workflow, placeholder=absent) if keyed else None, workflow


def _key(reader: Reader, workflow: Workflow | None, *, placeholder: bool = False) -> Key:
    namespace, value = split_key(reader.text())
    if not namespace or not value:
        reader.fault("a key is written namespace=value, such as order=SO-1")
        return ""
    namespaces = [rule.namespace for rule in workflow.keys] if workflow else [namespace]
    if namespace not in namespaces:
        reader.fault(f"there is no key {namespace!r}{suggestion(namespace, namespaces)}")
    normal = normalise_key(value)
    if normal is None and not placeholder:
        reader.fault(f"{value[:80]!r} is a placeholder or too long: no instance carries it")
    return f"{namespace}={value if normal is None else normal}"


def _wanted(reader: Reader, field: str, start: int, workflow: Workflow | None) -> list[Wanted]:
    if reader.value is None:
        if field not in _NULLABLE:
            reader.fault("must not be empty")
        return [Wanted(field, None, None)]
    return _FIELDS[field](reader, field, start, workflow)


def _word(words: type[StrEnum]) -> Callable[..., list[Wanted]]:
    def read(reader: Reader, field: str, _start: int, _workflow: Workflow | None) -> list[Wanted]:
        return [Wanted(field, None, known_word(reader, reader.text(), [word.value for word in words], field))]

    return read


def known_word(reader: Reader, word: str, known: Iterable[str], what: str) -> str:
    """The word; that it is none of those known is a fault."""
    known = list(known)
    if word and word not in known:
        reader.fault(f"there is no {what} {word!r}{suggestion(word, known)}")
    return word


def _text(reader: Reader, field: str, _start: int, _workflow: Workflow | None) -> list[Wanted]:
    return [Wanted(field, None, reader.text())]


def _instant(reader: Reader, field: str, start: int, _workflow: Workflow | None) -> list[Wanted]:
    return [Wanted(field, None, read_instant(reader, start))]


def _milestone(reader: Reader, field: str, _start: int, workflow: Workflow | None) -> list[Wanted]:
    name = reader.text()
    return [Wanted(field, None, known_word(reader, name, workflow.by_name if workflow else [name], "milestone"))]


def _milestones(reader: Reader, field: str, start: int, workflow: Workflow | None) -> list[Wanted]:
    wanted = []
    for name in _members(reader):
        member = reader.at(name)
        known_word(member, name, workflow.by_name if workflow else [name], "milestone")
        at = None if member.value is None else read_instant(member, start)
        wanted.append(Wanted(field, name, at))
    return wanted


def _parts(reader: Reader, field: str, start: int, workflow: Workflow | None) -> list[Wanted]:
    """`{delivered: {"8001": 4h, "8003": null}}`: when each part first reached a milestone of each."""
    wanted = []
    for name in _members(reader):
        milestone = reader.at(name)
        of_parts = [one.name for one in workflow.milestones if one.each] if workflow else [name]
        known_word(milestone, name, of_parts, "milestone of each part")
        for value in _members(milestone):
            member = milestone.at(value)
            at = None if member.value is None else read_instant(member, start)
            wanted.append(Wanted(field, name, at, str(value)))
    return wanted


def _attributes(reader: Reader, field: str, _start: int, workflow: Workflow | None) -> list[Wanted]:
    wanted = []
    for name in _members(reader):
        member = reader.at(name)
        known_word(member, name, workflow.attributes if workflow else [name], "attribute")
        if isinstance(member.value, (dict, list)):
            member.fault("must be text, a number, true, false or null")
        else:
            wanted.append(Wanted(field, name, member.value))
    return wanted


def _members(reader: Reader) -> list[str]:
    if not reader.mapping():
        return []
    if not reader.value:
        reader.fault("must name at least one")
    return list(reader.value)


def _worth(reader: Reader, field: str, _start: int, _workflow: Workflow | None) -> list[Wanted]:
    if not reader.mapping(("amount", "currency")):
        return []
    wanted: list[Wanted] = []
    for name in ("amount", "currency"):
        if name not in reader.value:
            continue
        member = reader.at(name)
        if member.value is None:
            wanted.append(Wanted(field, name, None))
        elif name == "currency":
            wanted.append(Wanted(field, name, member.text().upper()))
        else:
            wanted.append(Wanted(field, name, read_amount(member)))
    return wanted


def read_amount(reader: Reader) -> Decimal | None:
    """A number, exactly as it is written."""
    text = reader.text()
    if not text:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or max(abs(amount.adjusted()), -int(amount.as_tuple().exponent)) > _MOST_DIGITS:
        reader.fault("must be a number such as 99.50")
        return None
    return amount


def _keys(reader: Reader, field: str, _start: int, workflow: Workflow | None) -> list[Wanted]:
    return [Wanted(field, None, tuple(sorted(reader.each(lambda entry: _key(entry, workflow)))))]


def _count(reader: Reader, field: str, _start: int, _workflow: Workflow | None) -> list[Wanted]:
    if type(reader.value) is not int or reader.value < 0:
        reader.fault("must be a number of instances such as 1")
        return []
    return [Wanted(field, None, reader.value)]


_FIELDS: dict[str, Callable[[Reader, str, int, Workflow | None], list[Wanted]]] = {
    "verdict": _word(VerdictKind),
    "reason": _word(Reason),
    "waiting_for": _milestone,
    "source": _text,
    "owner": _text,
    "since": _instant,
    "due_at": _instant,
    "deadline_at": _instant,
    "milestones": _milestones,
    "parts": _parts,
    "keys": _keys,
    "attributes": _attributes,
    "value": _worth,
    "instances": _count,
}
_NULLABLE = ("waiting_for", "source", "due_at", "deadline_at")
_INSTANTS = ("since", "due_at", "deadline_at", "milestones", "parts")


# Comparing


def compare(expectation: Expectation, rehearsal: Rehearsal, workflow: Workflow, start: int) -> Failure | None:
    """What of an expectation does not hold in a rehearsal that has come to its instant; None when all of it does."""
    everyone = rehearsal.instances(workflow.name)
    found = rehearsal.carrying(workflow.name, expectation.key) if expectation.key is not None else []
    differences = []
    explanation = [f"There {_listed(everyone)}."]
    if expectation.absent:
        if found:
            differences.append(Difference("instance", "none", _named(found[0])))
            explanation = _explanation(found[0], rehearsal, expectation.at, start)
    elif expectation.key is not None and len(found) != 1:
        carrying = "none" if not found else f"{len(found)} that carry it, which is no joining key"
        differences.append(Difference("instance", expectation.key, carrying))
    elif found:
        explanation = _explanation(found[0], rehearsal, expectation.at, start)
    for wanted in expectation.wanted:
        if wanted.field == "instances":
            value: Value = len(everyone)
        elif len(found) == 1:
            value = _value(wanted, found[0])
        else:
            continue
        if not _same(wanted.value, value):
            differences.append(
                Difference(wanted.name, _shown(wanted, wanted.value, start), _shown(wanted, value, start))
            )
    if not differences:
        return None
    of = workflow.name if expectation.key is None else f"{workflow.name} {expectation.key}"
    subject = f"at {spell_instant(expectation.at, start)}, {of}"
    return Failure(expectation.line, subject, tuple(differences), tuple(explanation))


def _value(wanted: Wanted, held: RehearsedInstance) -> Value:
    progress, verdict, member = held.progress, held.verdict, wanted.member or ""
    match wanted.field:
        case "verdict":
            return verdict.kind.value
        case "milestones":
            reached = standing(progress, held.workflow).milestones.get(member)
            return reached.at if reached else None
        case "parts":
            counts = standing(progress, held.workflow)
            seen = view_of(counts, held.workflow, held.workflow.by_name[member].each, wanted.part)
            own = seen.milestones.get(member) if seen else None
            return own.at if own else None
        case "keys":
            return tuple(sorted(progress.keys))
        case "attributes":
            return progress.attributes.get(member)
        case "value" if member == "amount":
            amount = progress.attributes.get(AMOUNT)
            return None if amount is None else Decimal(str(amount))
        case "value":
            return progress.attributes.get(CURRENCY)
        case field:
            value: Value = getattr(verdict, field)
            return value


def _same(expected: Value, found: Value) -> bool:
    return expected == found and isinstance(expected, bool) is isinstance(found, bool)


def _shown(wanted: Wanted, value: Value, start: int) -> str:
    if value is None:
        return "none"
    if wanted.field in _INSTANTS and isinstance(value, int):
        return spell_instant(value, start)
    if wanted.field == "attributes":
        return msgspec.json.encode(value).decode()
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _explanation(held: RehearsedInstance, rehearsal: Rehearsal, now: int, start: int) -> list[str]:
    counts = standing(held.progress, held.workflow)
    reached = sorted(counts.milestones.items(), key=lambda item: item[1].at)
    steps = [f"{name} at {spell_offset(mark.at, start)}" for name, mark in reached]
    return [
        explain(held.progress, held.workflow, held.verdict, rehearsal.marks, now),
        f"Reached: {', '.join(steps) or 'nothing'}.",
        f"Keys: {', '.join(sorted(held.progress.keys))}.",
    ]


def _listed(everyone: list[RehearsedInstance]) -> str:
    if not everyone:
        return "is no instance of the workflow"
    more = f" and {len(everyone) - SHOWN} more" if len(everyone) > SHOWN else ""
    return f"{'is' if len(everyone) == 1 else 'are'} {'; '.join(map(_named, everyone[:SHOWN]))}{more}"


def _named(held: RehearsedInstance) -> str:
    return f"{', '.join(sorted(held.progress.keys))} ({held.verdict.kind.value})"
