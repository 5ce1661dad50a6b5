"""What is wrong in the simulated enterprise, and why: whatever is stuck has one of these causes.

Times are relative to the anchor, the moment the demo first went live.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from milepost.demo.actions import MINUTE, SECOND


@dataclass(frozen=True, slots=True)
class Fault:
    """One cause. `affects` are what its victims have in common; `verdict` is what is to be said of them."""

    name: str
    title: str
    workflow: str | None
    since: timedelta
    until: timedelta | None
    affects: Mapping[str, str] = field(default_factory=dict)
    milestone: str | None = None
    verdict: str | None = None
    share: float = 1.0


CONNECTOR_DROPS_EMEA = Fault(
    name="connector-drops-emea",
    title="sap-connector 2.3.0 discards orders of EMEA sales organisations; the share on 2.3.0 grows",
    workflow="order-to-cash",
    since=timedelta(hours=-12),
    until=None,
    affects={"region": "EMEA", "connector_version": "2.3.0"},
    milestone="erp_accepted",
    verdict="stuck",
)
NO_TAX_CODE = Fault(
    name="no-tax-code",
    title="The new legal entity PL20 has no tax determination: its orders are accepted without a tax code",
    workflow="order-to-cash",
    since=timedelta(days=-7),
    until=None,
    affects={"legal_entity": "PL20"},
    milestone="erp_accepted",
    verdict="inconsistent",
    share=0.012,
)
CARD_PROCESSOR_DOWN = Fault(
    name="card-processor-down",
    title="The card processor northpay declines every payment",
    workflow="invoice-to-entitlement",
    since=timedelta(hours=-20),
    until=None,
    affects={"card_processor": "northpay"},
    milestone="payment_succeeded",
    verdict="stuck",
)
ACCOUNT_SYNC_STOPPED = Fault(
    name="account-sync-stopped",
    title="The account synchronisation of APAC stopped yesterday: new accounts do not reach the ERP",
    workflow="customer-onboarding",
    since=timedelta(hours=-26),
    until=None,
    affects={"region": "APAC"},
    milestone="account_synced",
    verdict="stuck",
)
ERP_SILENT_BEFORE = Fault(
    name="erp-silent-before",
    title="The ERP sent nothing for three hours and delivered everything afterwards",
    workflow=None,
    since=timedelta(hours=-60),
    until=timedelta(hours=-57),
    affects={"source": "sap"},
)
ERP_SILENT_LIVE = Fault(
    name="erp-silent-live",
    title="The ERP sends nothing from the second to the sixth minute; what waits for it is blind until then",
    workflow=None,
    since=timedelta(minutes=2),
    until=timedelta(minutes=6),
    affects={"source": "sap"},
    verdict="blind",
)
DUPLICATES = Fault(
    name="duplicates",
    title="Events that are sent twice",
    workflow=None,
    since=timedelta.min,
    until=None,
    share=0.02,
)
LATE_EVENTS = Fault(
    name="late-events",
    title="Events that arrive minutes to hours after they happened, and so out of order",
    workflow=None,
    since=timedelta.min,
    until=None,
    share=0.03,
)
SLOW_STEPS = Fault(
    name="slow-steps",
    title="Ordinary slowness: one step of an instance takes up to twice its deadline, and then happens",
    workflow=None,
    since=timedelta.min,
    until=None,
    share=0.018,
)

FAULTS = (
    CONNECTOR_DROPS_EMEA, NO_TAX_CODE, CARD_PROCESSOR_DOWN, ACCOUNT_SYNC_STOPPED, ERP_SILENT_BEFORE,
    ERP_SILENT_LIVE, DUPLICATES, LATE_EVENTS, SLOW_STEPS,
)  # fmt: skip

ERP_SILENT_AFTER = 2 * MINUTE
"""The silence that the shipped `sources.yaml` tolerates of sap."""
ERP_POSTING_QUEUE = 12
"""Orders whose acceptance is due, and happens, in the live silence: they turn blind, then on track."""
ERP_POSTING_QUEUE_FIRST = 4 * MINUTE + 10 * SECOND
ERP_POSTING_QUEUE_EVERY = 8 * SECOND


def offset(delta: timedelta) -> int:
    """Micros of a time relative to the anchor."""
    return delta // timedelta(microseconds=1)


def active(fault: Fault, since_anchor: int) -> bool:
    """Whether a fault with a bounded start is at work at these micros after the anchor."""
    return since_anchor >= offset(fault.since) and (fault.until is None or since_anchor < offset(fault.until))
