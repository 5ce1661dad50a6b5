"""Five made-up business domains for looking at the dashboard without a collector."""

from __future__ import annotations

from typing import Any

H = 3600

# workflow: (domain, owner, title, entity, currency, key namespace, key prefix, milestones)
# milestone: (name, title, source, owner, warn seconds, breach seconds, typical seconds)
WORKFLOWS: dict[str, dict[str, Any]] = {
    "account-sync": {
        "domain": "accounts",
        "owner": "crm-platform",
        "title": "Account sync",
        "entity": "account",
        "key": ("account", "ACC-"),
        "currency": None,
        "milestones": [
            ("account_changed", "Changed in CRM", "salesforce", "crm-platform", None, None, 0),
            ("account_mapped", "Mapped", "integration-hub", "middleware", 300, 600, 90),
            ("account_synced", "Synced to ERP", "sap", "erp-platform", 20 * 60, 30 * 60, 600),
        ],
    },
    "order-to-cash": {
        "domain": "orders",
        "owner": "order-operations",
        "title": "Order to cash",
        "entity": "order",
        "key": ("order", "ORD-"),
        "currency": "USD",
        "milestones": [
            ("order_received", "Order received", "salesforce", "order-operations", None, None, 0),
            ("order_accepted", "Order accepted", "sap", "erp-platform", 3 * H, 4 * H, 3000),
            ("order_shipped", "Shipped", "warehouse", "logistics", 40 * H, 48 * H, 70000),
            ("invoice_posted", "Invoice posted", "sap", "finance-systems", 10 * H, 12 * H, 12000),
            ("payment_settled", "Payment settled", "stripe", "finance-systems", 60 * H, 72 * H, 80000),
        ],
    },
    "quote-approval": {
        "domain": "orders",
        "owner": "deal-desk",
        "title": "Quote approval",
        "entity": "quote",
        "key": ("quote", "QUO-"),
        "currency": "EUR",
        "milestones": [
            ("quote_submitted", "Quote submitted", "salesforce", "deal-desk", None, None, 0),
            ("quote_priced", "Priced", "pricing-engine", "pricing", 30 * 60, H, 800),
            ("quote_approved", "Approved", "salesforce", "deal-desk", 20 * H, 24 * H, 30000),
        ],
    },
    "entitlement-activation": {
        "domain": "entitlements",
        "owner": "licensing",
        "title": "Entitlement activation",
        "entity": "entitlement",
        "key": ("entitlement", "ENT-"),
        "currency": "USD",
        "milestones": [
            ("purchase_confirmed", "Purchase confirmed", "stripe", "licensing", None, None, 0),
            ("licence_issued", "Licence issued", "licence-server", "licensing", 5 * 60, 10 * 60, 120),
            ("entitlement_active", "Entitlement active", "entitlement-service", "licensing", 1200, 1800, 600),
            ("customer_notified", "Customer notified", "mailer", "lifecycle", H, 2 * H, 900),
        ],
    },
    "case-escalation": {
        "domain": "cases",
        "owner": "support-operations",
        "title": "Case escalation",
        "entity": "case",
        "key": ("case", "CAS-"),
        "currency": None,
        "milestones": [
            ("case_escalated", "Escalated", "service-cloud", "support-operations", None, None, 0),
            ("case_assigned", "Assigned", "service-cloud", "support-operations", 20 * 60, 30 * 60, 600),
            ("issue_created", "Engineering issue created", "jira", "engineering", 3 * H, 4 * H, 4000),
            ("case_answered", "Answered", "service-cloud", "support-operations", 20 * H, 24 * H, 40000),
        ],
    },
    "purchase-to-pay": {
        "domain": "purchasing",
        "owner": "procurement",
        "title": "Purchase to pay",
        "entity": "purchase order",
        "key": ("purchase_order", "PO-"),
        "currency": "EUR",
        "milestones": [
            ("requisition_approved", "Requisition approved", "coupa", "procurement", None, None, 0),
            ("order_sent", "Order sent", "sap", "procurement", 2 * H, 4 * H, 3600),
            ("goods_received", "Goods received", "warehouse", "logistics", 100 * H, 120 * H, 200000),
            ("invoice_matched", "Invoice matched", "sap", "accounts-payable", 20 * H, 24 * H, 30000),
        ],
    },
}

OBJECTIVES = [
    # name, title, owner, workflow, kind, from, to, within words, target, total, bad, pending, unit
    ("accounts-synced-fresh", "Accounts reach ERP in 30 minutes", "crm-platform", "account-sync", "freshness",
     "account_changed", "account_synced", "30m", 0.995, 8640, 21, 2, "slices"),
    ("orders-accepted-in-time", "Orders accepted in 4 hours", "erp-platform", "order-to-cash", "latency",
     "order_received", "order_accepted", "4h", 0.99, 5012, 31, 6, "items"),
    ("orders-shipped-in-time", "Orders shipped in 48 hours", "logistics", "order-to-cash", "latency",
     "order_accepted", "order_shipped", "48h", 0.98, 4710, 108, 3, "items"),
    ("quotes-approved-in-a-day", "Quotes approved in a day", "deal-desk", "quote-approval", "latency",
     "quote_submitted", "quote_approved", "24h", 0.95, 1240, 18, 1, "items"),
    ("entitlements-active", "Entitlements active in 30 minutes", "licensing", "entitlement-activation", "latency",
     "purchase_confirmed", "entitlement_active", "30m", 0.999, 21480, 18, 4, "items"),
    ("cases-answered", "Escalated cases answered in a day", "support-operations", "case-escalation", "latency",
     "case_escalated", "case_answered", "24h", 0.97, 612, 9, 1, "items"),
    ("purchase-orders-sent", "Purchase orders sent in 4 hours", "procurement", "purchase-to-pay", "latency",
     "requisition_approved", "order_sent", "4h", 0.99, 884, 2, 0, "items"),
]  # fmt: skip

SOURCES = [
    # source, title, owner, state, seconds since last arrival, silent after, received, duplicates, rejected, dead letters
    ("salesforce", "Salesforce", "crm-platform", "live", 3, 900, 182_344, 412, 0, 0),
    ("sap", "SAP S/4HANA", "erp-platform", "live", 11, 900, 96_120, 88, 2, 2),
    ("integration-hub", "Integration hub", "middleware", "live", 2, 300, 240_877, 1203, 0, 0),
    ("stripe", "Stripe", "finance-systems", "live", 24, 1800, 51_090, 310, 0, 0),
    ("warehouse", "Warehouse (WMS)", "logistics", "silent", 7_520, 1800, 33_812, 9, 0, 0),
    ("licence-server", "Licence server", "licensing", "live", 7, 600, 40_230, 0, 0, 0),
    ("entitlement-service", "Entitlement service", "licensing", "catching_up", 1, 600, 61_004, 77, 0, 0),
    ("service-cloud", "Service Cloud", "support-operations", "live", 41, 3600, 9_410, 3, 0, 0),
    ("jira", "Jira", "engineering", "live", 320, 7200, 2_201, 0, 11, 11),
    ("coupa", "Coupa", "procurement", "live", 96, 7200, 5_120, 0, 0, 0),
    ("pricing-engine", "Pricing engine", "pricing", "unknown", None, 3600, 0, 0, 0, 0),
]


def tests_of(workflow: str, ran_at: str | None) -> dict[str, Any]:
    """Of orders three tests, of which one failed; no other workflow has any."""
    milestones = [
        {"name": m[0], "title": m[1], "promised": bool(m[5]), "reached": 3 - min(i, 3), "kept": 2 - min(i, 2),
         "missed": int(i == 1)}
        for i, m in enumerate(WORKFLOWS[workflow]["milestones"])
    ]  # fmt: skip
    tests = [
        {"name": "an-order-that-is-paid", "file": "orders.test.yaml", "line": 3, "passed": True, "seconds": 0.004, "details": ""},
        {"name": "an-order-that-waits", "file": "orders.test.yaml", "line": 21, "passed": True, "seconds": 0.003, "details": ""},
        {"name": "an-order-that-sap-accepts-late", "file": "orders.test.yaml", "line": 40, "passed": False, "seconds": 0.006,
         "details": "  at 5h (2026-03-02 13:00 UTC), order-to-cash order=SO-1 (line 52):\n    - verdict: stuck\n    + verdict: blind"},
    ]  # fmt: skip
    has = workflow == "order-to-cash"
    untested = [{"what": "deadline", "name": "order_shipped", "title": "Shipped"},
                {"what": "milestone", "name": "payment_settled", "title": "Payment settled"}]  # fmt: skip
    return {"state": "ran", "ran_at": ran_at, "seconds": 0.4, "faults": [], "in_force": True,
            "tests": tests if has else [], "milestones": milestones if has else [], "signals": [], "objectives": [],
            "untested": untested if has else []}  # fmt: skip
