"""The query API, health and metrics: FastAPI over the query layer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from typing import Annotated

import orjson
from fastapi import Depends, FastAPI, Header
from fastapi import Query as Parameter
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.datastructures import MutableHeaders
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from collector.acts import Acts
from collector.acts_api import Row, add_acts, add_handling, add_letters, add_views, or_404
from collector.api_parameters import INSTANT_FORMAT, NOT_COMPARED, Instant
from collector.definitions_api import add_definitions
from collector.description import describe
from collector.flow_api import add_flow
from collector.handling import Handling
from collector.ingest.doors import Doors
from collector.objectives_api import add_objectives
from collector.problems import add_problems
from collector.query import Query
from collector.query.differences import MOST_COMPARED
from collector.query.export import CSV, TYPES
from collector.query.instances import CHANCE, NOBODY, SORTS
from collector.query.replica_reader import answered_as_of
from collector.region_api import Regions, add_region
from collector.saved_views import SavedViews
from collector.sources.dead_letters import DeadLetters
from collector.sources.door import METHODS, SourceDoor
from slo_rules import instants

Ready = Callable[[], Awaitable[list[str]]]
Roles = Callable[[], dict[str, str]]
Buffer = Callable[[], dict[str, object] | None]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
AsOf = Annotated[
    str | None,
    Parameter(
        description="the situation at this RFC 3339 instant, with everything known now or, with `known_at`, known then",
        json_schema_extra=INSTANT_FORMAT,
    ),
]
KnownAt = Annotated[
    str | None,
    Parameter(
        description="what was known at this RFC 3339 instant, by what had been received; later arrivals change nothing",
        json_schema_extra=INSTANT_FORMAT,
    ),
]
Raw = Annotated[
    bool, Parameter(description="what events and spans say as it was sent; it needs `raw`, and is recorded")
]
_PAST: dict[int | str, Row] = {
    400: NOT_COMPARED[400],
    422: {"description": "what is kept cannot answer this question about the past"},
    503: {"description": "not everything received by then has been applied yet, or the database is away"},
}
_NO_WORKFLOW: dict[int | str, Row] = {404: {"description": "there is no such workflow"}}


def build_api(
    query: Query | None,
    acts: Acts | None,
    doors: Doors | None,
    ready: Ready,
    lifespan: Lifespan,
    roles: Roles = dict,
    *,
    buffer: Buffer = lambda: None,
    sources: SourceDoor | None = None,
    letters: DeadLetters | None = None,
    handling: Handling | None = None,
    views: SavedViews | None = None,
    regions: Regions | None = None,
) -> FastAPI:
    """The application, with what there is of query API, acts, doors and dead letters; health and metrics always.

    `ready` names what keeps this process from serving; empty when nothing does. `roles` says of each role of this
    process whether it is active or stands by, `buffer` how that stands which takes what arrives while the database is
    away, `regions` what other installations say of themselves.
    """
    api = FastAPIOffline(title="Milepost", version=version("milepost"), lifespan=lifespan, redoc_url=None)
    if doors is not None:
        api.router.routes += [
            Route("/events", doors.events, methods=["POST"]),
            Route("/events", doors.handshake, methods=["OPTIONS"]),
            Route("/v1/traces", doors.traces, methods=["POST"]),
            Route("/v1/logs", doors.logs, methods=["POST"]),
        ]
    if sources is not None:
        api.router.routes += [
            Route("/sources/{name}", sources.take, methods=list(METHODS)),
            Route("/sources/{name}/{rest:path}", sources.take, methods=list(METHODS)),
        ]
    describe(api)
    add_problems(api)
    _health(api, ready, roles, query, buffer)
    if query is not None:
        _reads(api, query)
        add_region(api, query, regions)
        add_definitions(api, query)
        add_flow(api, query)
        add_objectives(api, query)
        if query.replica() is not None:
            api.add_middleware(_TellsAsOf)
    if acts is not None:
        add_acts(api, acts)
    if letters is not None:
        add_letters(api, letters)
    if handling is not None:
        add_handling(api, handling)
    if views is not None:
        add_views(api, views)
    return api


class _TellsAsOf:
    """Every answer that a replica gave says as of when it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def tell(message: Message) -> None:
            as_of = answered_as_of.get()
            if message["type"] == "http.response.start" and as_of is not None:
                MutableHeaders(scope=message)["milepost-as-of"] = instants.rfc3339(as_of)
            await send(message)

        answered_as_of.set(None)
        await self._app(scope, receive, tell)


def _health(api: FastAPI, ready: Ready, roles: Roles, query: Query | None, buffer: Buffer) -> None:
    @api.get("/healthz", tags=["health"])
    async def healthz() -> Row:
        """The process lives; for each of its roles whether it is active or stands by."""
        return {"status": "ok", "roles": roles()}

    @api.get("/readyz", tags=["health"], response_model=None)
    async def readyz() -> Response:
        """The process serves, or stands by to; 503 with what is missing when it does not.

        Where there is a replica, `read_replica` says whether it is read, else why not, and how far it is behind. Of who
        takes in events `buffer` says how much waits on the disk while the database is away.
        """
        missing = await ready()
        said: Row = {"status": "not ready" if missing else "ok", "missing": missing, "roles": roles()}
        if query is not None and (replica := query.replica()) is not None:
            said["read_replica"] = replica
        if (held := buffer()) is not None:
            said["buffer"] = held
        body = orjson.dumps(said)
        return Response(body, 503 if missing else 200, media_type="application/json")

    @api.get("/metrics", tags=["health"], response_class=Response)
    async def metrics() -> Response:
        """Prometheus metrics."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _asked(
    workflow: str | None = None,
    domain: str | None = None,
    verdict: Annotated[list[str] | None, Parameter()] = None,
    owner: str | None = None,
    source_awaited: str | None = None,
    waiting_for: str | None = None,
    reason: str | None = None,
    key: Annotated[str | None, Parameter(description="`value`, or `namespace=value`")] = None,
    attribute: Annotated[
        list[str] | None, Parameter(description="`NAME=VALUE`, or `NAME!=VALUE`: another value, or none")
    ] = None,
    incident: Annotated[
        str | None,
        Parameter(description="the id of an incident: what it holds up, or once it is over all that it has held up"),
    ] = None,
    q: Annotated[str | None, Parameter(description="words of title or attributes, or the start of a key")] = None,
    min_age_seconds: float | None = None,
    min_value: float | None = None,
    due_within_seconds: Annotated[
        float | None, Parameter(description="on track or due soon, and the next deadline falls within this time")
    ] = None,
    assigned_to: Annotated[
        str | None, Parameter(description=f"who handles it; `{NOBODY}`: nobody was assigned to it")
    ] = None,
    acknowledged: Annotated[
        bool | None, Parameter(description="whether somebody has acknowledged how it stands now")
    ] = None,
) -> Row:
    """Which instances: every filter that is given must hold."""
    return {
        "workflow": workflow,
        "domain": domain,
        "verdict": verdict,
        "owner": owner,
        "source_awaited": source_awaited,
        "waiting_for": waiting_for,
        "reason": reason,
        "key": key,
        "attribute": attribute,
        "incident": incident,
        "q": q,
        "min_age_seconds": min_age_seconds,
        "min_value": min_value,
        "due_within_seconds": due_within_seconds,
        "assigned_to": assigned_to,
        "acknowledged": acknowledged,
    }


Asked = Annotated[Row, Depends(_asked)]


def _reads(api: FastAPI, query: Query) -> None:
    shared = query.shared()

    @api.get("/api/v1/overview", tags=["query"])
    async def overview() -> Row:
        """Per domain what is open, what needs a person, what it is worth; incidents and sources besides."""
        return await query.overview()

    @api.get("/api/v1/instances", tags=["query"], responses=_PAST)
    async def instances(
        asked: Asked,
        sort: Annotated[
            str | None,
            Parameter(
                description=f"{', '.join((*SORTS, CHANCE))}; `-` before it turns it round; without it, deadline_at"
            ),
        ] = None,
        cursor: str | None = None,
        limit: int = 50,
        offset: int | None = None,
        as_of: AsOf = None,
        known_at: KnownAt = None,
        milepost_version: Annotated[
            str | None, Header(description="of what was seen to change: whoever has the same gets the same answer")
        ] = None,
    ) -> Row:
        """A page of instances with count and value of everything the filter finds.

        With `due_within_seconds` each item says in `forecast` how likely it is to miss its next deadline, and `chance`
        sorts by that.
        Of the past it can be filtered by workflow, domain, verdict and key, and comes in the order in which the
        instances were first heard of, latest first.
        """
        which = query if milepost_version is None else shared.of_version(milepost_version[:64])
        return await which.instances(
            **asked,
            sort=sort,
            cursor=cursor,
            limit=limit,
            offset=offset,
            as_of=as_of,
            known_at=known_at,
        )

    @api.get("/api/v1/instances/export", tags=["query"], response_class=StreamingResponse, responses={400: _PAST[400]})
    async def export(
        asked: Asked,
        format: Annotated[str, Parameter(description="csv; or parquet, where pyarrow is installed")] = CSV,
        sort: Annotated[str | None, Parameter(description="as of the list; without it, in no order")] = None,
    ) -> StreamingResponse:
        """Everything that a filter finds, as a file that is written while it is read."""
        parts = await query.export(format, sort, **asked)
        name = f"milepost-instances.{format}"
        return StreamingResponse(
            parts, media_type=TYPES[format], headers={"content-disposition": f'attachment; filename="{name}"'}
        )

    @api.get("/api/v1/accounts/{namespace}/{value:path}", tags=["query"], responses={400: _PAST[400]})
    async def account(namespace: str, value: str) -> Row:
        """Everything that carries a key, such as a customer's number, across all domains.

        By domain and workflow how many of each verdict, what they are worth, and which are most pressing.
        """
        return or_404(await query.account(namespace, value), "key")

    @api.get("/api/v1/views", tags=["query"])
    async def views() -> Row:
        """The views of the worklist that people share."""
        return await query.views()

    @api.get("/api/v1/zones", tags=["query"])
    async def zones() -> Row:
        """The zones by which calendars and objectives decide, with what they are called."""
        return await query.zones()

    @api.get("/api/v1/assignees", tags=["query"])
    async def assignees() -> Row:
        """Those who handle something."""
        return await query.assignees()

    @api.get("/api/v1/instances/{id}", tags=["query"], responses=_PAST)
    async def instance(id: str, as_of: AsOf = None, known_at: KnownAt = None, raw: Raw = False) -> Row:
        """One instance: journey, verdict with its arithmetic, keys and what joined them, links, events, spans.

        `linked` are the instances of other workflows that carry the same keys, where a key identifies one of the two.
        `rejected` are the events of which somebody said that they joined it wrongly. Where somebody has to say who he
        is, the values in events and spans are `masked` unless he asks for them `raw`.
        Of the past it has no links, history or incidents, and `joined_later` names the instances it was joined with
        since.
        """
        if as_of is None and known_at is None:
            return or_404(await query.instance(id, raw=raw), "instance")
        return or_404(await query.instance(id, as_of, known_at, raw=raw), "instance, or nothing was known of it then")

    @api.get("/api/v1/instances/{id}/forecast", tags=["query"])
    async def instance_forecast(id: str) -> Row:
        """The deadlines that an instance has before it, with the chance that it misses each.

        `chance` is null where too little is known, and `unknown` says why.
        """
        return or_404(await query.instance_forecast(id), "instance")

    @api.get("/api/v1/differences", tags=["query"], responses=NOT_COMPARED)
    async def differences(
        asked: Asked,
        since: Annotated[
            str | None,
            Parameter(
                description="from when on the others started; without it, from the start of the oldest that is found",
                json_schema_extra=INSTANT_FORMAT,
            ),
        ] = None,
        limit: int = 20,
        most: Annotated[
            int, Parameter(description="instances that are read at most, of those that are found half as many")
        ] = MOST_COMPARED,
    ) -> Row:
        """What the instances of a filter have in common that the others of their workflows have not, best first.

        Business attributes and what instances are and wait for alike, with counts, how many times as likely it is, and
        whether it is told from chance.
        """
        return await query.differences(**asked, since=since, limit=limit, most=most)

    @api.get("/api/v1/forecast", tags=["query"], responses=_NO_WORKFLOW)
    async def forecast(workflow: str, by: str | None = None, since: str | None = None) -> Row:
        """What is likely to come of the open instances of a workflow, stage by stage.

        How many will miss their deadline within the next hour, 8 hours and day, which are most likely to, and when what
        is overdue is clear. `by` names an attribute whose values are compared by themselves; `since` is the instant
        from which on the pace of what is overdue counts, such as that of a recovery.
        """
        return or_404(await query.forecast(workflow, by, since), "workflow")

    @api.get("/api/v1/outlook", tags=["query"], responses=_NO_WORKFLOW)
    async def outlook(workflow: str | None = None) -> Row:
        """Of each workflow how many open instances miss their next deadline within the hour, and how backlogs go on.

        Of one workflow also within 8 hours and a day.
        """
        return or_404(await query.outlook(workflow), "workflow")

    @api.get("/api/v1/incidents", tags=["query"])
    async def incidents(
        status: str | None = None,
        q: str | None = None,
        owner: str | None = None,
        severity: str | None = None,
        domain: str | None = None,
        sort: str | None = None,
        since: Instant = None,
        until: Instant = None,
    ) -> Row:
        """Incidents, firing first and then as `sort` says: `-count`, `-value`, `oldest_since` or `-opened_at`.

        With `since` or `until` those that were open at some time from the one on and before the other.
        """
        return await query.incidents(status, q, owner, severity, domain, sort, since, until)

    @api.get("/api/v1/incidents/{id}", tags=["query"])
    async def incident(id: str) -> Row:
        """One incident with its timeline and deliveries."""
        return or_404(await query.incident(id), "incident")

    @api.get("/api/v1/incidents/{id}/attempts", tags=["query"])
    async def incident_attempts(id: str) -> Row:
        """Every attempt to deliver what was told of an incident: what went out, and what came back."""
        return or_404(await query.incident_attempts(id), "incident")

    @api.get("/api/v1/sources/{name}/volume", tags=["query"])
    async def source_volume(name: str, since: Instant = None, until: Instant = None) -> Row:
        """What a source sent in each hour of the last week, or of another time, and what it usually sends in that hour.

        It is known since `kept_since`.
        """
        return or_404(await query.source_volume(name, since, until), "source")

    @api.get("/api/v1/sources", tags=["query"])
    async def sources() -> Row:
        """What each source has sent, and whether it can be seen."""
        return await query.sources()

    @api.get("/api/v1/dead-letters", tags=["query"])
    async def dead_letters(
        source: str | None = None, reason: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Row:
        """What was received and could not be used, with the reason, but for what somebody has settled."""
        return await query.dead_letters(source, cursor, limit, reason)

    @api.get("/api/v1/search", tags=["query"])
    async def search(q: str, limit: int = 10) -> Row:
        """Instances by the beginning of any key they ever carried."""
        return await query.search(q, limit)
