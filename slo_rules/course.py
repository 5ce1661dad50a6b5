"""The verdicts on one instance over its whole history: which came when, on a clock that goes by when events occurred.

At every instant that counts which had occurred by then, as far as it is known now: an event that came late counts from
its own time on. Of several events of one instant the verdict comes after all of them. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

import msgspec

from slo_rules.judgement import Reason, Verdict, VerdictKind
from slo_rules.judging import judge
from slo_rules.match import Match
from slo_rules.observation import fold
from slo_rules.progress import Progress
from slo_rules.silences import Silences
from slo_rules.workflow import Workflow


class Turn(msgspec.Struct, frozen=True, gc=False):
    """From `at` (micros) on the verdict is another: what it is, why, and which milestone it waits for."""

    at: int
    kind: VerdictKind
    reason: Reason
    waiting_for: str | None


Span = tuple[int, int]
"""From when to when (micros), half-open."""


def course(matches: Iterable[Match], workflow: Workflow, silences: Silences, until: int) -> list[Turn]:
    """The turns of the verdict up to `until` (micros), in order; empty while nothing has occurred but what people say.

    Of one verdict after the same one there is no turn, whatever the reason.
    """
    turns: list[Turn] = []
    progress: Progress | None = None
    verdict: Verdict | None = None
    begun, now = False, 0
    for at, together in groupby(sorted(matches, key=_order), key=_at):
        if at > until:
            break
        if verdict is not None:
            _let_pass(turns, progress, workflow, silences, verdict, now, at - 1)
        for match in together:
            progress = fold(progress, match)
            begun = begun or not match.more.acts
        if begun and progress is not None:
            verdict, now = judge(progress, workflow, silences.marks(at), at), at
            _note(turns, at, verdict)
    if verdict is not None:
        _let_pass(turns, progress, workflow, silences, verdict, now, until)
    return turns


def _let_pass(
    turns: list[Turn],
    progress: Progress | None,
    workflow: Workflow,
    silences: Silences,
    verdict: Verdict,
    now: int,
    until: int,
) -> None:
    """Judge at every instant after `now`, up to `until`, at which the verdict may change by itself."""
    assert progress is not None
    while True:
        check_at = verdict.next_check_at
        if verdict.kind is VerdictKind.BLIND:
            again_at = silences.heard_again(now)
            if again_at is not None and (check_at is None or again_at < check_at):
                check_at = again_at
        if check_at is None or check_at > until or check_at <= now:
            return
        now, verdict = check_at, judge(progress, workflow, silences.marks(check_at), check_at)
        _note(turns, now, verdict)


def _note(turns: list[Turn], at: int, verdict: Verdict) -> None:
    if not turns or turns[-1].kind is not verdict.kind:
        turns.append(Turn(at, verdict.kind, verdict.reason, verdict.waiting_for))


def _order(match: Match) -> tuple[int, bytes]:
    return match.at, match.key


def _at(match: Match) -> int:
    return match.at


def within(turns: list[Turn], since: int) -> list[Turn]:
    """The turns from an instant (micros) on; the verdict that holds at it comes first, as if it had come then."""
    later = [turn for turn in turns if turn.at > since]
    held = len(turns) - len(later)
    if held:
        later.insert(0, msgspec.structs.replace(turns[held - 1], at=since))
    return later


def spans(turns: list[Turn], kind: VerdictKind, until: int) -> Iterator[Span]:
    """From when to when a verdict held, in order; what holds still ends at `until` (micros)."""
    for place, turn in enumerate(turns):
        if turn.kind is kind:
            yield turn.at, turns[place + 1].at if place + 1 < len(turns) else until
