"""What two versions of a definition say differently, in words and with the path of each difference.

The models are compared, not the texts: comments, quotes and the order of fields make no difference. Whatever fields a
model has are compared, so that the language can grow without this file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from typing import Any

import msgspec

from slo_rules.adapter import Adapter
from slo_rules.calendars import CalendarRules, Hours
from slo_rules.deadline_rules import DeadlineRule
from slo_rules.durations import SECOND, format_duration
from slo_rules.exclusions import Exclusion
from slo_rules.expectation import Expectation
from slo_rules.filters import SPAN_TYPE, All, Any_, Compare, Filter, Not
from slo_rules.wall_time import spell_time_of_day
from slo_rules.workflow import Workflow

_NAMES = ("date", "namespace", "name")
"""The fields by which the entries of a list are known; what has none is compared with the whole list."""
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_PLAIN = re.compile(r"[A-Za-z0-9_./$-]([A-Za-z0-9_./ $-]*[A-Za-z0-9_./$-])?")
_WRITTEN = {
    "condition": "on",
    "deadline": "within",
    "tiers": "by",
    "title_keys": "title",
    "amount": "value.amount",
    "currency": "value.currency",
    "completes_with_all": "completion",
    "leave_out": "except",
    "week": "hours",
    "paths": "path",
}
"""How fields are written in a file where that is not how the model calls them."""
_WRITTEN_OF = {
    "Workflow": {field: f"metadata.{field}" for field in ("domain", "owner", "title", "description")},
    "Objective": {"start": "from", "end": "to"},
    "Deadline": {"start": "from"},
    "Source": {"expects": "expect", "types": "expect.type"},
    "Adapter": {"secrets": "secret"},
    "Mapping": {"per": "for", "time_format": "time.format", "type_value": "type.value"},
    "Rules": {"amount": "amount"},
    "Amount": {"currency": "currency"},
}


class Kind(StrEnum):
    """What happened to what is said at a path."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    RENAMED = "renamed"


class Difference(msgspec.Struct, frozen=True):
    """What is said otherwise at a path: before and after in words. Of what was renamed these are the names.

    None where nothing is said there, and where the words would not fit a line.
    """

    path: str
    kind: Kind
    before: str | None = None
    after: str | None = None

    def __str__(self) -> str:
        """One line for people."""
        match self.kind:
            case Kind.RENAMED:
                return f"{self.path}: renamed to {self.after}"
            case Kind.REMOVED:
                return f"{self.path}: removed"
            case Kind.ADDED:
                return f"{self.path}: added: {self.after}" if self.after else f"{self.path}: added"
            case Kind.CHANGED:
                return f"{self.path}: changed" if self.after is None else f"{self.path}: {self.before} → {self.after}"


def differences(before: msgspec.Struct, after: msgspec.Struct) -> list[Difference]:
    """What has changed between two models of one kind, in the order of the definition; version numbers aside.

    Of what was added or removed as a whole there is one difference. What was removed and is there under another name,
    reached by the same events or read from the same paths, was renamed.
    """
    found: list[Difference] = []
    _compare(_tree(before), _tree(after), "", found)
    return found


def workflow_differences(before: Workflow, after: Workflow) -> list[Difference]:
    """`differences` of workflows; of a calendar it only says that it is another, for many count on the same."""
    found = differences(
        msgspec.structs.replace(before, calendars={}),
        msgspec.structs.replace(after, calendars={}),
    )
    for name in sorted(before.calendars.keys() & after.calendars.keys()):
        if differences(before.calendars[name], after.calendars[name]):
            found.append(Difference(f"calendars.{name}", Kind.CHANGED))
    return found


_Tree = dict[str, Any]
"""Texts and further trees by their names in the order in which they were written."""


def _tree(value: Any) -> _Tree | str | None:
    """What a value says: a tree, or one text; None where it says nothing."""
    if value is None or value in ("", (), {}):
        return None
    if isinstance(value, (Compare, All, Any_, Not, DeadlineRule, Hours)) or not isinstance(
        value, (msgspec.Struct, Mapping, tuple)
    ):
        return _words(value)
    if isinstance(value, tuple):
        return _of_list(value)
    if isinstance(value, Expectation):
        return _expected(value)
    if isinstance(value, Exclusion):
        return None
    if isinstance(value, Mapping):
        return {str(name): one for name in sorted(value) if (one := _tree(value[name])) is not None}
    fields = value.__struct_fields__
    # The name of an adapter does not stand where it is said, and another one is a change.
    unsaid = None if isinstance(value, Adapter) else _name_field(value), "version"
    written = _WRITTEN | _WRITTEN_OF.get(type(value).__name__, {})
    found: _Tree = {}
    for field in fields:
        said = getattr(value, field)
        if isinstance(said, CalendarRules):
            # What the calendar itself says differently is told of the calendar.
            said = said.name
        one = _tree(dict(zip(_WEEK, said, strict=True)) if field == "week" else said) if field not in unsaid else None
        if one is not None:
            found[written.get(field, field)] = one
    rules = found.pop("rules", {})
    return found | rules if isinstance(rules, dict) else found


def _expected(value: Expectation) -> _Tree:
    """Of the calendar only the name: what the calendar itself says differently is told of the calendar."""
    recurs = isinstance(value.length, DeadlineRule)
    found: _Tree = {"by" if recurs else "every": _words(value.length)}
    if recurs:
        found["opens"] = _words(value.opens)
    if value.calendar is not None:
        found["calendar"] = value.calendar.name
    return found


def _of_list(value: tuple[Any, ...]) -> _Tree | str:
    if all(isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[1], tuple) for entry in value):
        return {name: _words(paths) for name, paths in value}
    names = [_name_of(entry) for entry in value]
    if None in names or len(set(names)) < len(names):
        return ", ".join(map(_words, value))
    return {str(name): _tree(entry) or {} for name, entry in zip(names, value, strict=True)}


def _name_of(entry: Any) -> str | None:
    if isinstance(entry, Exclusion):
        return entry.words
    if hasattr(entry, "attribute"):
        # The terms for one value of an attribute.
        return f"{entry.attribute}.{entry.value}"
    field = _name_field(entry)
    return None if field is None else str(getattr(entry, field))


def _name_field(entry: Any) -> str | None:
    fields = entry.__struct_fields__ if isinstance(entry, msgspec.Struct) else ()
    return next((field for field in _NAMES if field in fields), None)


def _words(value: Any) -> str:
    """A value as one would write it in a file, on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        # No other number in a definition is as large as a second in micros.
        case int() if abs(value) >= SECOND:
            return format_duration(value)
        case int() | float() | DeadlineRule() | date():
            return str(value)
        case str():
            return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
        case Hours():
            return f"{spell_time_of_day(value.opens)}-{spell_time_of_day(value.closes % 1440 or 1440)}"
        case Compare() | All() | Any_() | Not():
            return _filter(value)
        case tuple():
            return f"[{', '.join(map(_words, value))}]"
        case Mapping():
            return f"{{{', '.join(f'{name}: {_words(one)}' for name, one in value.items())}}}"
        case msgspec.Struct():
            said = {field.name: getattr(value, field.name) for field in msgspec.structs.fields(value)}
            return _words({_WRITTEN.get(name, name): one for name, one in said.items() if one not in (None, "", ())})
    return str(value)


def _filter(condition: Filter) -> str:
    match condition:
        case Compare(how, path, text):
            return f"{{{how}: {{{_words(path)}: {_words(text)}}}}}"
        case All((Compare("exact", "type", text), part)) if text == SPAN_TYPE:
            return f"{{span: {_filter(part)}}}"
        case All(parts):
            hows = {part.how for part in parts if isinstance(part, Compare)}
            if len(hows) == 1 and all(isinstance(part, Compare) for part in parts) and _paths_differ(parts):
                each = ", ".join(f"{_words(one.path)}: {_words(one.text)}" for one in parts if isinstance(one, Compare))
                return f"{{{hows.pop()}: {{{each}}}}}"
            return f"{{all: [{', '.join(map(_filter, parts))}]}}"
        case Any_(parts):
            return f"{{any: [{', '.join(map(_filter, parts))}]}}"
        case Not(part):
            return f"{{not: {_filter(part)}}}"


def _paths_differ(parts: Iterable[Any]) -> bool:
    paths = [part.path for part in parts]
    return len(set(paths)) == len(paths)


def _compare(before: _Tree | str | None, after: _Tree | str | None, path: str, found: list[Difference]) -> None:
    if before == after and _order(before) == _order(after):
        return
    if not isinstance(before, dict) or not isinstance(after, dict):
        found.append(_difference(path, before, after))
        return
    renamed = _renamed(before, after)
    former = {new: old for old, new in renamed.items()}
    for name in [*after, *(name for name in before if name not in after and name not in renamed)]:
        place = f"{path}.{name}" if path else name
        if name in former:
            found.append(Difference(f"{path}.{former[name]}", Kind.RENAMED, former[name], name))
            _compare(before[former[name]], after[name], place, found)
        elif name not in after or name not in before:
            found.append(_difference(place, before.get(name), after.get(name)))
        else:
            _compare(before[name], after[name], place, found)
    kept: list[str] = [renamed.get(name, name) for name in before if renamed.get(name, name) in after]
    order: list[str] = [name for name in after if name in kept]
    # Fields of a model always come in one order; where it differs, it was written, and may mean something.
    if kept != order:
        found.append(Difference(f"{path}.order".lstrip("."), Kind.CHANGED, ", ".join(kept), ", ".join(order)))


def _difference(path: str, before: Any, after: Any) -> Difference:
    kind = Kind.ADDED if before is None else Kind.REMOVED if after is None else Kind.CHANGED
    return Difference(path, kind, _flat(before), _flat(after))


def _order(tree: Any) -> list[Any]:
    return [(name, _order(one)) for name, one in tree.items()] if isinstance(tree, dict) else []


def _renamed(before: _Tree, after: _Tree) -> dict[str, str]:
    """The new names of what says the same under another, where nobody else says so."""
    gone = {name: _said_of(before[name]) for name in before if name not in after}
    come = {name: _said_of(after[name]) for name in after if name not in before}
    found = {}
    for name, said in gone.items():
        same = [new for new, other in come.items() if said is not None and other == said]
        if len(same) == 1 and list(gone.values()).count(said) == 1:
            found[name] = same[0]
    return found


def _said_of(tree: Any) -> str | None:
    """What makes an entry what it is, whatever its name."""
    return str(tree.get("on") or tree.get("path") or "") or None if isinstance(tree, dict) else None


def _flat(tree: Any) -> str | None:
    """A tree on one line."""
    if not isinstance(tree, dict):
        return None if tree is None else str(tree)
    parts: list[str] = []
    for name, one in tree.items():
        flat = _flat(one)
        if flat != "false":
            parts.append(name if flat in ("true", "", None) else f"{name} {flat}")
    return ", ".join(parts)


_ASKING = ("observes", "fails_on", "cancels_on", "pauses_on", "resumes_on", "restarts_on")


def newly_asked(before: Workflow, after: Workflow) -> list[str]:
    """What of the later version asks for events by filters that the earlier one does not have: milestones and fields.

    What such events said was not heard while the earlier version counted.
    """
    known = {milestone.condition for milestone in before.milestones}
    for field in _ASKING:
        known.update(getattr(before, field))
    found = [f"milestones.{milestone.name}" for milestone in after.milestones if milestone.condition not in known]
    return found + [field for field in _ASKING if not known.issuperset(getattr(after, field))]


def reads_alike(before: Workflow, after: Workflow) -> bool:
    """Whether every event says the same to both and is of the same instance, so that only what is promised differs."""
    return _heard(before) == _heard(after)


def _heard(workflow: Workflow) -> Workflow:
    """Without what matters only when it is judged; a field that is not named here counts as heard."""
    milestones = tuple(
        msgspec.structs.replace(
            one,
            title="",
            after=(),
            after_any=False,
            deadline=None,
            source=None,
            owner="",
            starts=False,
            completes=False,
            optional=False,
            choice="",
            any_order=False,
        )
        for one in workflow.milestones
    )
    return msgspec.structs.replace(
        workflow,
        domain="",
        owner="",
        entity="",
        title="",
        description="",
        version=0,
        milestones=milestones,
        title_keys=(),
        completes_with_all=False,
        calendars={},
        skews={},
        orphan_after=None,
    )
