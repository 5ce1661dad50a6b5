"""The spans of the integration services: one template per kind of hop, laid back from its end."""

from __future__ import annotations

import math
import random
from typing import Any, NamedTuple

from milepost.demo.actions import SECOND, PlannedSpan

SERVER, CLIENT, PRODUCER, CONSUMER, INTERNAL = "server", "client", "producer", "consumer", "internal"
VERSIONS = {
    "mulesoft-order-api": "4.11.2",
    "sap-connector": "2.2.7",
    "billing-bridge": "1.18.0",
    "entitlement-service": "3.6.1",
    "support-sync": "2.2.4",
}


class _Part(NamedTuple):
    service: str
    name: str
    kind: str
    parent: int | None
    begins: float
    ends: float
    attributes: dict[str, Any]


def _http(method: str, route: str, status: int, host: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"http.request.method": method, "http.response.status_code": status}
    if host is None:
        return {**found, "http.route": route, "url.path": route}
    return {**found, "url.full": f"https://{host}{route}", "server.address": host}


def _queue(topic: str, operation: str) -> dict[str, Any]:
    return {
        "messaging.system": "kafka",
        "messaging.destination.name": topic,
        "messaging.operation.type": operation,
    }


_S4 = "s4.globex.example"
_SALES_ORDER = "/sap/opu/odata/sap/API_SALES_ORDER_SRV/A_SalesOrder"
_PARTNER = "/sap/opu/odata/sap/API_BUSINESS_PARTNER/A_BusinessPartner"

HOPS: dict[str, tuple[_Part, ...]] = {
    "order-intake": (
        _Part(
            "mulesoft-order-api",
            "POST /api/v1/orders",
            SERVER,
            None,
            0,
            1,
            _http("POST", "/api/v1/orders", 202),
        ),
        _Part(
            "mulesoft-order-api",
            "mule:flow order-intake",
            INTERNAL,
            0,
            0.05,
            0.97,
            {"location": "order-intake/processors/0"},
        ),
        _Part("mulesoft-order-api", "send orders.v2", PRODUCER, 1, 0.7, 0.92, _queue("orders.v2", "send")),
    ),
    "order-to-erp": (
        _Part("sap-connector", "process orders.v2", CONSUMER, None, 0, 1, _queue("orders.v2", "process")),
        _Part("sap-connector", "map order to A_SalesOrder", INTERNAL, 0, 0.03, 0.12, {}),
        _Part("sap-connector", "POST A_SalesOrder", CLIENT, 0, 0.14, 0.95, _http("POST", _SALES_ORDER, 201, _S4)),
        _Part(
            "sap-connector",
            "send sales-orders.v1",
            PRODUCER,
            0,
            0.96,
            0.99,
            _queue("sales-orders.v1", "send"),
        ),
    ),
    "order-dropped": (
        _Part("sap-connector", "process orders.v2", CONSUMER, None, 0, 1, _queue("orders.v2", "process")),
        _Part("sap-connector", "map order to A_SalesOrder", INTERNAL, 0, 0.1, 0.9, {}),
    ),
    "delivery-notice": (
        _Part(
            "sap-connector",
            "process sap.deliveries",
            CONSUMER,
            None,
            0,
            1,
            _queue("sap.deliveries", "process"),
        ),
        _Part(
            "sap-connector",
            "GET A_OutbDeliveryHeader",
            CLIENT,
            0,
            0.1,
            0.45,
            _http("GET", "/sap/opu/odata/sap/API_OUTBOUND_DELIVERY_SRV/A_OutbDeliveryHeader", 200, _S4),
        ),
        _Part("sap-connector", "send deliveries.v1", PRODUCER, 0, 0.5, 0.9, _queue("deliveries.v1", "send")),
    ),
    "invoice-bridge": (
        _Part(
            "billing-bridge",
            "process deliveries.v1",
            CONSUMER,
            None,
            0,
            1,
            _queue("deliveries.v1", "process"),
        ),
        _Part(
            "billing-bridge",
            "POST /v1/invoices",
            CLIENT,
            0,
            0.05,
            0.5,
            _http("POST", "/v1/invoices", 200, "api.stripe.example"),
        ),
        _Part(
            "billing-bridge",
            "POST /v1/invoices/{id}/finalize",
            CLIENT,
            0,
            0.55,
            0.95,
            _http("POST", "/v1/invoices/{id}/finalize", 200, "api.stripe.example"),
        ),
    ),
    "payment-bridge": (
        _Part("billing-bridge", "POST /hooks/stripe", SERVER, None, 0, 1, _http("POST", "/hooks/stripe", 200)),
        _Part("billing-bridge", "match payment to invoice", INTERNAL, 0, 0.04, 0.18, {}),
        _Part(
            "billing-bridge",
            "POST A_IncomingPayment",
            CLIENT,
            0,
            0.2,
            0.95,
            _http("POST", "/sap/opu/odata/sap/API_JOURNALENTRY/Post", 201, _S4),
        ),
    ),
    "account-sync": (
        _Part("sap-connector", "process accounts.v1", CONSUMER, None, 0, 1, _queue("accounts.v1", "process")),
        _Part("sap-connector", "GET A_BusinessPartner", CLIENT, 0, 0.05, 0.3, _http("GET", _PARTNER, 404, _S4)),
        _Part(
            "sap-connector",
            "POST A_BusinessPartner",
            CLIENT,
            0,
            0.35,
            0.95,
            _http("POST", _PARTNER, 201, _S4),
        ),
    ),
    "account-billing": (
        _Part("billing-bridge", "process customers.v1", CONSUMER, None, 0, 1, _queue("customers.v1", "process")),
        _Part(
            "billing-bridge",
            "POST /v1/customers",
            CLIENT,
            0,
            0.1,
            0.95,
            _http("POST", "/v1/customers", 200, "api.stripe.example"),
        ),
    ),
    "account-support": (
        _Part("support-sync", "process customers.v1", CONSUMER, None, 0, 1, _queue("customers.v1", "process")),
        _Part(
            "support-sync",
            "POST /api/v2/organizations",
            CLIENT,
            0,
            0.1,
            0.95,
            _http("POST", "/api/v2/organizations", 201, "globex.zendesk.example"),
        ),
    ),
    "entitlement-provision": (
        _Part(
            "entitlement-service",
            "process payments.v1",
            CONSUMER,
            None,
            0,
            1,
            _queue("payments.v1", "process"),
        ),
        _Part("entitlement-service", "entitlement.provision", INTERNAL, 0, 0.05, 0.9, {}),
        _Part(
            "entitlement-service",
            "PUT /v1/licenses/{id}",
            CLIENT,
            1,
            0.3,
            0.8,
            _http("PUT", "/v1/licenses/{id}", 200, "licenses.globex.example"),
        ),
    ),
    "credit-memo": (
        _Part("support-sync", "process credits.v1", CONSUMER, None, 0, 1, _queue("credits.v1", "process")),
        _Part(
            "sap-connector",
            "POST A_CreditMemoRequest",
            CLIENT,
            0,
            0.1,
            0.95,
            _http("POST", "/sap/opu/odata/sap/API_CREDIT_MEMO_REQUEST_SRV/A_CreditMemoRequest", 201, _S4),
        ),
    ),
    "customer-notice": (
        _Part(
            "support-sync",
            "PUT /api/v2/tickets/{id}",
            CLIENT,
            None,
            0,
            1,
            _http("PUT", "/api/v2/tickets/{id}", 200, "globex.zendesk.example"),
        ),
    ),
    "purchase-order": (
        _Part(
            "sap-connector",
            "process purchase-orders.v1",
            CONSUMER,
            None,
            0,
            1,
            _queue("purchase-orders.v1", "process"),
        ),
        _Part(
            "sap-connector",
            "POST A_PurchaseOrder",
            CLIENT,
            0,
            0.1,
            0.95,
            _http("POST", "/sap/opu/odata/sap/API_PURCHASEORDER_PROCESS_SRV/A_PurchaseOrder", 201, _S4),
        ),
    ),
}
_LOG_MEDIAN = math.log(280_000)


class Trace(NamedTuple):
    """Where a trace goes on: its id, and the span that is the parent of what follows."""

    trace_id: int
    span_id: int

    @property
    def traceparent(self) -> str:
        """The W3C header of a sampled trace."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-01"


def lay(
    rng: random.Random,
    hop: str,
    ends_at: int,
    attributes: dict[str, Any],
    *,
    follows: Trace | None = None,
    versions: dict[str, str] | None = None,
    error: str | None = None,
    note: tuple[str, dict[str, Any]] | None = None,
) -> tuple[Trace, tuple[PlannedSpan, ...]]:
    """The spans of a hop that ends at `ends_at`, and the trace to hand on (its last producer, or its root).

    `error` and `note` belong to the second span, the work itself.
    """
    duration = min(max(math.exp(_LOG_MEDIAN + rng.gauss(0.0, 0.6)), 30_000), 6 * SECOND)
    begins_at = ends_at - int(duration)
    trace_id = follows.trace_id if follows else rng.getrandbits(128) | 1
    ids: list[int] = []
    spans = []
    hands_on = 0
    for index, (service, name, kind, parent, begins, ends, own) in enumerate(HOPS[hop]):
        span_id = rng.getrandbits(64) | 1
        ids.append(span_id)
        if kind == PRODUCER:
            hands_on = index
        works = index == 1
        spans.append(
            PlannedSpan(
                service,
                (versions or {}).get(service) or VERSIONS[service],
                name,
                kind,
                begins_at + int(begins * duration),
                ends_at if ends == 1 else begins_at + int(ends * duration),
                trace_id,
                span_id,
                ids[parent] if parent is not None else follows.span_id if follows else None,
                {**own, **attributes},
                error if works else None,
                note if works else None,
            )
        )
    return Trace(trace_id, ids[hands_on]), tuple(spans)
