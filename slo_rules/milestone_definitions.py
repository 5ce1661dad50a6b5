"""The milestones of a workflow definition, with every fault at its own path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from slo_rules.deadline_definitions import check_deadline, read_deadline
from slo_rules.filter_definitions import check_path, entries_of, read_filter, text_of
from slo_rules.filters import All, Filter, Not, exact_value, spell
from slo_rules.reading import Reader, suggestion
from slo_rules.workflow import KeyRule, Like, Milestone, Requirement

MOST_OCCURRENCES = 1000
_FIELDS = (
    *("name", "title", "on", "after", "within", "source", "owner", "starts", "completes", "require"),
    *("optional", "choice", "count", "any_order", "each"),
)
_TOLERANCE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)(%)?")


def read_milestones(spec: Reader, owner: str, attributes: Iterable[str], keys: Iterable[KeyRule]) -> list[Milestone]:
    """The milestones of a workflow's spec. Faults are noted with the readers; then they are not for use."""
    listed = spec.optional("milestones")
    if listed is None:
        return []
    calendar = (entry.name() or None) if (entry := spec.optional("calendar")) else None
    found: list[tuple[Reader, Milestone]] = []
    previous: str | None = None
    for entry in entries_of(listed):
        milestone = _milestone(entry, previous, owner, calendar)
        if milestone is not None:
            if milestone.name and any(milestone.name == other.name for _, other in found):
                entry.fault(f"a milestone named {milestone.name!r} is there already")
                continue
            found.append((entry, milestone))
            # What follows does not wait for what may never come.
            previous = previous if milestone.optional else milestone.name
    if not found and isinstance(listed.value, list) and not listed.value:
        listed.fault("at least one milestone is needed")
    milestones = _with_ends([milestone for _, milestone in found])
    names = {milestone.name: milestone for milestone in milestones}
    for entry, milestone in found:
        _check_references(entry, milestone, names, list(attributes))
    _check_choices(found)
    restarts = spec.optional("restarts_on")
    _check_parts(found, names, list(keys), restarts=restarts is not None and bool(restarts.value))
    return _with_counts_of_parts(milestones)


def _check_references(
    entry: Reader, milestone: Milestone, names: Mapping[str, Milestone], attributes: list[str]
) -> None:
    for before in milestone.after:
        if before not in names:
            message = f"there is no milestone {before!r} to come after{suggestion(before, names)}"
            entry.fault(message, (*entry.path, "after"))
    if milestone.name and _in_cycle(milestone, names):
        entry.fault(f"{milestone.name!r} waits for itself through its 'after' milestones", (*entry.path, "after"))
    if milestone.deadline is not None:
        check_deadline(entry, milestone.deadline, milestone.name, names, attributes)
    if isinstance(milestone.count, str) and milestone.count not in attributes:
        message = f"there is no attribute {milestone.count!r}{suggestion(milestone.count, attributes)}"
        entry.fault(message, (*entry.path, "count"))
    for index, requirement in enumerate(milestone.require):
        like = requirement.like
        if like is not None and (like.milestone not in names or like.milestone == milestone.name):
            others = [name for name in names if name != milestone.name]
            message = f"there is no other milestone {like.milestone!r}{suggestion(like.milestone, others)}"
            entry.fault(message, (*entry.path, "require", index, "equals", "of"))


def _check_choices(found: list[tuple[Reader, Milestone]]) -> None:
    for entry, milestone in found:
        alike = [other for _, other in found if milestone.choice and other.choice == milestone.choice]
        if milestone.choice and len(alike) == 1:
            entry.fault(f"the choice {milestone.choice!r} has no other milestone", (*entry.path, "choice"))


def _check_parts(
    found: list[tuple[Reader, Milestone]], names: Mapping[str, Milestone], keys: list[KeyRule], *, restarts: bool
) -> None:
    """What is reached by each part of an instance: of a key there is, which can have several values."""
    unique = {rule.namespace: rule.unique for rule in keys}
    for entry, milestone in found:
        each, path = milestone.each, (*entry.path, "each")
        for index, requirement in enumerate(milestone.require):
            other = names.get(requirement.like.milestone) if requirement.like is not None else None
            if other is not None and other.each not in ("", each):
                message = f"{other.name!r} is reached for each {other.each}: which of them is not said"
                entry.fault(message, (*entry.path, "require", index, "equals", "of"))
        alike = [other for _, other in found if milestone.choice and other.choice == milestone.choice]
        if alike and alike[0].each != each:
            message = f"all milestones of the choice {milestone.choice!r} must say the same 'each'"
            entry.fault(message, (*entry.path, "choice"))
        if not each:
            continue
        if unique and each not in unique:
            entry.fault(f"there is no key {each!r}{suggestion(each, unique)}", path)
        elif unique.get(each):
            entry.fault(f"the key {each!r} is unique: an instance has one at most", path)
        if restarts and names[milestone.name].starts:
            entry.fault("what restarts the workflow stands for this milestone, and is not one of each", path)
        counts = [other for _, other in found if other.each == each and other.count != 1]
        if counts and milestone.count not in (1, counts[0].count):
            message = f"of {each!r} {counts[0].name!r} expects another number; it is one for all milestones of each"
            entry.fault(message, (*entry.path, "count"))


def _with_counts_of_parts(milestones: list[Milestone]) -> list[Milestone]:
    """How many parts are expected is said once for all milestones of each."""
    counts = {one.each: one.count for one in milestones if one.each and one.count != 1}
    return [msgspec.structs.replace(one, count=counts[one.each]) if one.each in counts else one for one in milestones]


def _with_ends(milestones: list[Milestone]) -> list[Milestone]:
    """Where no milestone is said to start or complete, the first starts and the last completes."""
    if milestones and not any(milestone.starts for milestone in milestones):
        milestones[0] = msgspec.structs.replace(milestones[0], starts=True)
    if milestones and not any(milestone.completes for milestone in milestones):
        milestones[-1] = msgspec.structs.replace(milestones[-1], completes=True)
    return milestones


def _in_cycle(milestone: Milestone, names: Mapping[str, Milestone]) -> bool:
    seen: set[str] = set()
    todo = list(milestone.after)
    while todo:
        name = todo.pop()
        if name == milestone.name:
            return True
        if name not in seen and name in names:
            seen.add(name)
            todo.extend(names[name].after)
    return False


def _milestone(entry: Reader, previous: str | None, owner: str, calendar: str | None) -> Milestone | None:
    if not entry.mapping(_FIELDS, ("name", "on")) or not entry.optional("name"):
        return None
    name = entry.at("name").name()
    condition = read_filter(entry.at("on")) if entry.optional("on") else None
    starts, optional = _flag(entry, "starts"), _flag(entry, "optional")
    after, any_of = _after(entry)
    if not after and not starts and previous is not None:
        after = (previous,)
    deadline = read_deadline(entry, bool(after), calendar)
    if optional and deadline is not None:
        entry.fault("what is optional is not waited for, and has no deadline", (*entry.path, "within"))
    requirements = entry.optional("require")
    require = tuple(filter(None, requirements.each(_requirement))) if requirements else ()
    return Milestone(
        name=name,
        title=text_of(entry, "title") or name.replace("_", " ").capitalize(),
        condition=condition or Not(All(())),
        after=after,
        after_any=any_of,
        deadline=deadline,
        source=text_of(entry, "source") or (_awaited(condition) if condition else None),
        owner=text_of(entry, "owner") or owner,
        starts=starts,
        completes=_flag(entry, "completes"),
        require=require,
        optional=optional,
        choice=text_of(entry, "choice", longest=100),
        count=_count(entry),
        any_order=_flag(entry, "any_order"),
        each=text_of(entry, "each", longest=100),
    )


def _flag(entry: Reader, field: str) -> bool:
    flag = entry.optional(field)
    return flag is not None and flag.flag()


def _after(entry: Reader) -> tuple[tuple[str, ...], bool]:
    """`a`, `[a, b]` for all of them, `{any: [a, b]}`."""
    after = entry.optional("after")
    if after is None:
        return (), False
    any_of = isinstance(after.value, dict)
    if any_of:
        if not after.mapping(("any",), ("any",)) or not after.optional("any"):
            return (), False
        after = after.at("any")
    if not isinstance(after.value, list):
        name = after.text()
        return ((name,) if name else ()), False
    names = tuple(dict.fromkeys(said for one in entries_of(after) if (said := one.text())))
    if not after.value:
        after.fault("must name at least one milestone")
    return names, any_of and len(names) > 1


def _count(entry: Reader) -> int | str:
    """How many occurrences reach it: a number, or the name of the attribute that says so."""
    count = entry.optional("count")
    if count is None:
        return 1
    if isinstance(count.value, str):
        return count.text(longest=100)
    if isinstance(count.value, bool) or not isinstance(count.value, int) or not 1 <= count.value <= MOST_OCCURRENCES:
        count.fault(f"must be a whole number from 1 to {MOST_OCCURRENCES}, or the name of an attribute that says it")
        return 1
    return count.value


def _awaited(condition: Filter) -> str | None:
    return exact_value(condition, "source") or exact_value(condition, "service")


def _requirement(entry: Reader) -> Requirement | None:
    if not entry.mapping(("path", "exists", "equals"), ("path",)) or not entry.optional("path"):
        return None
    path = check_path(entry.at("path"))
    equals, exists = entry.optional("equals"), entry.optional("exists")
    if (equals is None) == (exists is None):
        entry.fault("say either 'exists' or 'equals'")
    if equals and isinstance(equals.value, dict):
        return Requirement(path=path, like=_like(equals, path))
    if equals and not spell(equals.value):
        equals.fault("must be text, a number, true or false")
    return Requirement(
        path=path,
        exists=exists.flag() if exists else True,
        equals=spell(equals.value) if equals else None,
    )


def _like(equals: Reader, path: str) -> Like | None:
    """`{of: milestone, path: data.amount, tolerance: 0.01}`; the tolerance may be a share, such as `1%`."""
    if not equals.mapping(("of", "path", "tolerance"), ("of",)) or not equals.optional("of"):
        return None
    of = equals.at("of").text()
    other = check_path(equals.at("path")) if equals.optional("path") else path
    tolerance, share = "0", False
    if entry := equals.optional("tolerance"):
        spelled = (spell(entry.value) or "").strip()
        found = _TOLERANCE.fullmatch(spelled)
        if found is None:
            entry.fault(f"{spelled[:80]!r} is no tolerance: write a number such as 0.01, or a share such as 1%")
        else:
            share = found[2] is not None
            tolerance = format(Decimal(found[1]) / (100 if share else 1), "f")
    return Like(of, other, tolerance, share)
