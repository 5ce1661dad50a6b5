"""What is known of an instance as its events say it after somebody was forgotten: what a rebuild would make. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import msgspec

from collector.erasure.subject import Subject
from collector.instances import instance_id
from slo_rules.progress import Progress, Reached, Said, Scalar, Stamped, Waiver
from slo_rules.workflow import Workflow

EventKeys = Mapping[bytes, bytes]
"""The keys of events whose id has changed, with those that they have now."""


def renamed_id(id_: bytes, workflow: str, keys: Collection[str], subject: Subject) -> bytes:
    """The id of an instance as a rebuild would give it: one that the subject's key has created is created by another.

    `keys` are those that may have created it.
    """
    received_at = int.from_bytes(id_[:6], "big") * 1000
    for key in keys:
        changed = subject.key(key)
        if changed != key and instance_id(received_at, workflow, key) == id_:
            return instance_id(received_at, workflow, changed)
    return id_


def without_subject(
    progress: Progress,
    workflow: Workflow,
    subject: Subject,
    event_keys: EventKeys,
    attributes: Collection[str] | None,
) -> Progress:
    """The progress that the events make now; of attributes those that are given stay, with None all."""

    def event(key: bytes) -> bytes:
        return event_keys.get(key, key)

    def scalar(name: str, value: Scalar) -> Scalar:
        found: Scalar = subject.scalar(value, workflow.attributes.get(name, ()))
        return found

    def stamped(one: Stamped | None, change: Callable[[str], str] = subject.text) -> Stamped | None:
        if one is None:
            return None
        return Stamped(one.at, event(one.key), change(one.value) if isinstance(one.value, str) else one.value)

    def said(one: Said) -> Said:
        kept = {
            name: scalar(name, value)
            for name, value in one.values.items()
            if attributes is None or name in attributes or name.startswith("$")
        }
        return Said(one.at, event(one.key), kept)

    def measured(name: str) -> str:
        place, nul, part = name.partition("\x00")
        return f"{place}{nul}{_part(part, subject)}" if nul else name

    def compared(name: str, one: Stamped) -> Stamped:
        path = name.partition("\x00")[0].partition("/")[2]
        return Stamped(one.at, event(one.key), subject.scalar(one.value, (path,)))

    occurrences = {
        name: tuple(
            sorted(
                msgspec.structs.replace(
                    one, key=event(one.key), faults=tuple(map(subject.text, one.faults)), part=_part(one.part, subject)
                )
                for one in found
            )
        )
        for name, found in progress.occurrences.items()
    }
    return msgspec.structs.replace(
        progress,
        milestones={name: _reached(one, event, subject) for name, one in progress.milestones.items()},
        keys={subject.key(word): _kept(stamped(one)) for word, one in progress.keys.items()},
        said=tuple(one for one in map(said, progress.said) if one.values),
        failed=stamped(progress.failed, str),
        cancelled=stamped(progress.cancelled, str),
        clock=tuple(sorted(msgspec.structs.replace(one, key=event(one.key)) for one in progress.clock)),
        measured={measured(name): compared(name, one) for name, one in progress.measured.items()},
        occurrences=occurrences,
        restarted=stamped(progress.restarted, str),
        aliases={subject.key(old): _kept(stamped(new, subject.key)) for old, new in progress.aliases.items()},
        waiver=_waiver(progress.waiver, event, subject),
    )


def _reached(one: Reached, event: Callable[[bytes], bytes], subject: Subject) -> Reached:
    return Reached(one.at, event(one.key), one.last_at, event(one.last_key), tuple(map(subject.text, one.faults)))


def _part(part: str, subject: Subject) -> str:
    return subject.pseudonym if part in subject.spelled else subject.text(part)


def _kept(one: Stamped | None) -> Stamped:
    assert one is not None
    return one


def _waiver(one: Waiver | None, event: Callable[[bytes], bytes], subject: Subject) -> Waiver | None:
    if one is None:
        return None
    return Waiver(one.at, event(one.key), one.until, subject.text(one.by), subject.text(one.reason))
