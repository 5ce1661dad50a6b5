"""What is truly so at a moment: an account that owes nothing to Milepost's own judging.

It knows what had been delivered by then, judges it by the deadlines of `processes`, and says which fault is
the cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from milepost.demo import faults, processes
from milepost.demo.actions import CANCELLED, FAILED, Action
from milepost.demo.faults import offset
from milepost.demo.story import Story

Instance = tuple[str, str, str]
"""`(workflow, namespace of the starting key, its value)`."""

VERDICTS = (
    "waiting", "stuck", "blind", "failed", "inconsistent", "completed", "completed_late", "cancelled",
    "unstarted",
)  # fmt: skip
_IDS = {
    "opportunity_id": "opportunity",
    "order_id": "order",
    "external_id": "order",
    "sales_order": "sales_order",
    "invoice_id": "invoice",
    "business.invoice.id": "invoice",
    "entitlement_id": "entitlement",
    "business.entitlement.id": "entitlement",
    "case_id": "case",
    "requisition_id": "requisition",
    "po_number": "purchase_order",
    "supplier_invoice": "supplier_invoice",
}
_ACCOUNT_IDS = {"account_id": "account", "crm_account_id": "account"}


@dataclass(frozen=True, slots=True)
class Expectation:
    """The instances by verdict at `at` (micros). Every one is in exactly one class.

    `waiting` covers on_track and due_soon; `unstarted` are those of which something, but not yet the start,
    has been delivered. `causes` names the fault behind an instance that is held up.
    """

    at: int
    verdicts: Mapping[str, frozenset[Instance]]
    causes: Mapping[Instance, str]

    def of(self, verdict: str, workflow: str | None = None) -> frozenset[Instance]:
        """The instances with a verdict, of one workflow or of all."""
        found = self.verdicts[verdict]
        return found if workflow is None else frozenset(i for i in found if i[0] == workflow)

    @property
    def total(self) -> int:
        """How many instances are known at all."""
        return sum(len(found) for found in self.verdicts.values())


def expect(stories: Iterable[Story], at: int, anchor: int) -> Expectation:
    """The account of these stories at `at`, both times in micros."""
    verdicts: dict[str, set[Instance]] = {verdict: set() for verdict in VERDICTS}
    causes: dict[Instance, str] = {}
    for story in stories:
        verdict = _verdict(story, at, anchor)
        if verdict is None:
            continue
        verdicts[verdict].add(story.instance)
        if verdict in ("stuck", "blind", "failed", "inconsistent"):
            cause = _cause(story, verdict, at)
            if cause is not None:
                causes[story.instance] = cause
    return Expectation(at, {verdict: frozenset(found) for verdict, found in verdicts.items()}, causes)


def _cause(story: Story, verdict: str, at: int) -> str | None:
    if story.cause is not None:
        return story.cause
    if verdict == "blind":
        return faults.ERP_SILENT_LIVE.name
    if verdict == "stuck" and any(action.at <= at < action.deliver_at for action in story.actions if action.mark):
        return faults.LATE_EVENTS.name
    return faults.SLOW_STEPS.name if verdict == "stuck" and story.slow else None


def _verdict(story: Story, at: int, anchor: int) -> str | None:
    known = [action for action in story.actions if action.deliver_at <= at]
    if not known:
        return None
    told = _joined(story.workflow, known)
    reached = {action.mark: action.at for action in told if action.mark is not None}
    flawed = any(action.flawed for action in told)
    steps = processes.STEPS[story.workflow]
    start = processes.STARTS[story.workflow]
    if start not in reached:
        return "unstarted"
    if CANCELLED in reached:
        return "cancelled"
    if FAILED in reached:
        return "failed"
    if flawed:
        return "inconsistent"
    furthest, late, awaited = start, False, steps[0]
    before = start
    for index, step in enumerate(steps):
        if step.milestone in reached:
            if before in reached and reached[step.milestone] > reached[before] + step.breach:
                late = True
            furthest = step.milestone
            if index + 1 == len(steps):
                return "completed_late" if late else "completed"
            awaited = steps[index + 1]
        before = step.milestone
    deadline = reached[furthest] + awaited.breach
    if at < deadline:
        return "waiting"
    return "blind" if awaited.source == "sap" and _erp_unheard(deadline, at, anchor) else "stuck"


def _joined(workflow: str, known: list[Action]) -> list[Action]:
    """Those of the known actions whose ids lead, through one another, back to the start.

    While the event that carries an order and its invoice is late, a payment that names only the invoice
    belongs to no order that anybody could know of.
    """
    start = processes.STARTS[workflow]
    found = [action for action in known if action.mark == start]
    ids = {each for action in found for each in _ids(action)}
    rest = [action for action in known if action.mark != start and (action.event or action.mark)]
    grown = bool(found)
    while grown and rest:
        linked = [action for action in rest if _ids(action) & ids]
        rest = [action for action in rest if not _ids(action) & ids]
        ids.update(each for action in linked for each in _ids(action))
        found += linked
        grown = bool(linked)
    return found


def _ids(action: Action) -> set[tuple[str, str]]:
    said = action.event.data if action.event else action.spans[1].attributes
    own = _ACCOUNT_IDS if action.instance[0] == "customer-onboarding" else _IDS
    return {(name, said[field]) for field, name in own.items() if field in said}


def _erp_unheard(deadline: int, at: int, anchor: int) -> bool:
    silence = faults.ERP_SILENT_LIVE
    begins, ends = anchor + offset(silence.since), anchor + offset(silence.until or silence.since)
    return begins <= deadline and begins + faults.ERP_SILENT_AFTER <= at < ends
