"""The questions the API and the dashboard ask."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from collector.access.permission import NotPermitted
from collector.access.principal import RAW
from collector.access.raw_reads import masked, may_read_raw, sees_raw_unasked
from collector.query import export
from collector.query.account import account
from collector.query.asking import Asking, question
from collector.query.chances import is_by_chance, list_by_chance, with_chances
from collector.query.contributors import contributors
from collector.query.defined import shown
from collector.query.definition_tests import counts_of_tests, workflow_tests
from collector.query.definitions import one_definition
from collector.query.details import instance_details
from collector.query.differences import MOST_COMPARED, compare
from collector.query.flow_comparison import Said, compare_flow
from collector.query.forecast import forecast
from collector.query.handling import notes_of, with_handling
from collector.query.handovers import handovers
from collector.query.held_by import held_by
from collector.query.incidents import SORTS as INCIDENT_SORTS
from collector.query.incidents import attempts_of, list_incidents, one_incident
from collector.query.instance_lists import list_instances, order_of
from collector.query.instances import BadQuery, InstanceFilter
from collector.query.moments import moment_of, span_of
from collector.query.names import names_besides
from collector.query.objective_differences import objective_differences
from collector.query.objectives import list_objectives, named, one_objective
from collector.query.overview import overview
from collector.query.past import past_instance
from collector.query.past_lists import faults_of, list_past
from collector.query.periods import periods_of
from collector.query.reader import Row, rfc3339
from collector.query.region import figures
from collector.query.search import find_by_key
from collector.query.sight import seen_by_asker
from collector.query.source_volume import volume_of
from collector.query.sources import list_sources, load_marks
from collector.query.views import view_in_sight
from collector.query.zones import zones_of


class Query(Asking):
    """Reads one database with the definitions of one catalogue. Every answer is a JSON-ready dict."""

    @question
    async def overview(self) -> Row:
        """Per domain: open, due soon, stuck, value at risk, objectives, trend; incidents and sources besides."""
        return await overview(self.reader, self._catalogue)

    @question
    async def region(self) -> Row:
        """What an overview of several installations is told of this one: figures, and names out of definitions."""
        return figures(await overview(self.reader, self._catalogue), self._catalogue.sources)

    @question
    async def workflows(self) -> Row:
        """The definitions in force with the number of their instances by verdict."""
        counts: dict[str, dict[str, int]] = {}
        for row in await self.reader.all("counts_of_instances"):
            counts.setdefault(row["workflow"], {})[row["verdict"]] = row["count"]
        items = [shown(workflow, counts.get(workflow.name, {})) for workflow in self._catalogue.current.values()]
        return {"items": items}

    @question
    async def definitions(self) -> Row:
        """`workflows`, and besides each objective with its `name` and the `workflow` that it is of.

        `tests` has of each workflow how many tests of its definition there are and how many `failed`, once they ran.
        """
        objectives = [
            {"name": one.name, "workflow": name} for name, found in self._catalogue.objectives.items() for one in found
        ]
        counts = counts_of_tests(await self._tested(), self._catalogue.current, self._in_sight)
        return await self.workflows() | {"objectives": objectives, "tests": counts}

    @question
    async def definition(self, workflow: str) -> Row | None:
        """A workflow in force with what waits for each milestone, its objectives and versions; None: there is none."""
        if workflow not in self._catalogue.current:
            return None
        found = next(one for one in (await self.workflows())["items"] if one["name"] == workflow)
        waiting = {row["waiting_for"]: row["count"] for row in await self.reader.all("waiting", {"workflow": workflow})}
        return await one_definition(self.reader, self._catalogue, workflow, found | {"waiting": waiting})

    @question
    async def definition_tests(self, workflow: str) -> Row | None:
        """How the tests of a workflow's definition ended, and what they cover and do not; None: there is no such one.

        They are run once somebody asks (`state` is `running` until then), and anew after their files changed.
        """
        found = self._catalogue.current.get(workflow)
        if found is None:
            return None
        return workflow_tests(await self._tested(), found, self._catalogue.objectives.get(workflow, ()), self._in_sight)

    async def _tested(self) -> Row:
        return {"state": "none"} if self._tests is None else await self._tests.get()

    @property
    def _in_sight(self) -> Collection[str] | None:
        return self._catalogue.current if self.is_narrow else None

    @question
    async def instances(
        self,
        workflow: str | None = None,
        domain: str | None = None,
        verdict: list[str] | None = None,
        owner: str | None = None,
        source_awaited: str | None = None,
        waiting_for: str | None = None,
        reason: str | None = None,
        key: str | None = None,
        attribute: list[str] | None = None,
        incident: str | None = None,
        q: str | None = None,
        min_age_seconds: float | None = None,
        min_value: float | None = None,
        due_within_seconds: float | None = None,
        assigned_to: str | None = None,
        acknowledged: bool | None = None,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
        offset: int | None = None,
        as_of: str | None = None,
        known_at: str | None = None,
    ) -> Row:
        """A page of instances, now or at a moment. Raises BadQuery, and of the past Unanswerable and Unsettled.

        With `due_within_seconds` each item has what is foreseen of it in `forecast`.
        """
        asked = InstanceFilter(
            workflow=workflow,
            domain=domain,
            verdict=tuple(verdict or ()),
            owner=owner,
            source_awaited=source_awaited,
            waiting_for=waiting_for,
            reason=reason,
            key=key,
            attribute=tuple(attribute or ()),
            incident=incident,
            q=q,
            min_age_seconds=min_age_seconds,
            min_value=min_value,
            due_within_seconds=due_within_seconds,
            assigned_to=assigned_to,
            acknowledged=acknowledged,
        )
        if as_of is not None or known_at is not None:
            now = await self.reader.clock()
            others = [name for name, value in (("sort", sort), ("offset", offset)) if value is not None]
            moment = moment_of(as_of, known_at, now, faults_of(asked, cursor, limit, others, now))
            assert moment is not None
            self.reader.require(moment.judged_at)
            return await list_past(self.reader, self._catalogue, asked, moment, cursor=cursor, limit=limit)
        asked = await self._looked_up(asked)
        sort = "deadline_at" if sort is None else sort
        marks = await load_marks(self.reader, self._catalogue)
        names = [] if key is None else await names_besides(self.reader, self._catalogue, key)
        place: Row = {"sort": sort, "cursor": cursor, "limit": limit, "offset": offset}
        if is_by_chance(sort):
            page = await list_by_chance(self.reader, self._catalogue, self._outlook, marks, asked, names, **place)
        else:
            page = await list_instances(self.reader, self._catalogue, marks, asked, names, **place)
        await with_handling(self.reader, page["items"])
        if due_within_seconds is None:
            return page
        return await with_chances(self._catalogue, self._outlook, asked, page)

    @question
    async def differences(
        self, /, *, since: str | None = None, limit: int = 20, most: int = MOST_COMPARED, **asked: Any
    ) -> Row:
        """What the instances that filters of `instances` find have in common, against the others of their workflows.

        At most `most` are read. One question at a time, for each reads many instances. Raises BadQuery and
        Unanswerable.
        """
        wanted = await self._looked_up(_filter(asked))
        names = [] if wanted.key is None else await names_besides(self.reader, self._catalogue, wanted.key)
        async with self.comparing:
            return await compare(self.reader, self._catalogue, wanted, names, since=since, limit=limit, most=most)

    async def _looked_up(self, asked: InstanceFilter) -> InstanceFilter:
        """The filter with the incident that it names. Raises BadQuery."""
        if asked.incident is None:
            return asked
        return replace(asked, held_by=await held_by(self.reader, self._catalogue, asked.incident))

    async def instance(
        self, id: str, as_of: str | None = None, known_at: str | None = None, *, raw: bool = False
    ) -> Row | None:
        """One instance with everything behind its verdict, now or at a moment; None when there is or was none.

        What its events and spans say is `masked` for whoever has to say who he is, unless he asks for it `raw`; that is
        recorded before it is told. Raises NotPermitted where he may not, and of the past BadQuery, Unanswerable and
        Unsettled.
        """
        if raw and (self._raw_reads is None or not may_read_raw()):
            raise NotPermitted(f"you may not do this: it needs {RAW}")
        found = await self._instance(id, as_of, known_at)
        if found is None:
            return None
        whole = raw or sees_raw_unasked()
        if raw and self._raw_reads is not None:
            said = {"workflow": found["workflow"], "events": len(found["events"]), "spans": len(found["spans"])}
            await self._raw_reads.note("instance.read_raw", f"instance {found['id']}", said)
        return (found if whole else masked(found)) | {"masked": not whole, "may_read_raw": may_read_raw()}

    @question
    async def _instance(self, id: str, as_of: str | None, known_at: str | None) -> Row | None:
        found = _uuid(id)
        if as_of is not None or known_at is not None:
            moment = moment_of(as_of, known_at, await self.reader.clock())
            if found is None or moment is None:
                return None
            self.reader.require(moment.judged_at)
            return await past_instance(self.reader, self._catalogue, found, moment)
        if found is None:
            return None
        marks = await load_marks(self.reader, self._catalogue)
        details = await instance_details(self.reader, self._catalogue, marks, found)
        if details is not None:
            await with_handling(self.reader, [details])
            details["notes"] = await notes_of(self.reader, UUID(details["id"]))
        return details

    async def export(self, form: str, sort: str | None = None, **asked: Any) -> AsyncIterator[bytes]:
        """Everything that filters of `instances` find as a file, in the order of `sort`. Raises BadQuery, at once."""
        writer = export.writer_of(form)
        # What it reads later it reads for whoever asks, too.
        return export.written(self.for_asker().reader, await self._found(asked, sort), writer)

    @question
    async def _found(self, asked: Row, sort: str | None) -> bytes:
        wanted = await self._looked_up(_filter(asked))
        names = [] if wanted.key is None else await names_besides(self.reader, self._catalogue, wanted.key)
        conditions = wanted.conditions(await self.reader.now(), self._catalogue.key_rules, names)
        return await export.ids_to_write(self.reader, conditions, () if sort is None else order_of(sort))

    @question
    async def account(self, namespace: str, value: str) -> Row | None:
        """Everything that carries a key, such as a customer's number, by domain; None when nothing does.

        Raises BadQuery.
        """
        marks = await load_marks(self.reader, self._catalogue)
        names = await names_besides(self.reader, self._catalogue, f"{namespace}={value}")
        return await account(self.reader, self._catalogue, marks, namespace, value, names)

    @question
    async def flow(self, workflow: str) -> Row | None:
        """A workflow step by step: what waits, how long it takes, what drops off; None when there is none."""
        return await self._flows.flow(workflow)

    @question
    async def flow_comparison(self, workflow: str, one: Said, other: Said) -> Row | None:
        """Two sets of instances of a workflow side by side, step by step; None when there is no such workflow.

        One question at a time, for each reads many instances. Raises BadQuery and Unanswerable.
        """
        async with self.comparing:
            return await compare_flow(self.reader, self._catalogue, workflow, one, other)

    @question
    async def views(self) -> Row:
        """The views of the worklist that people share."""
        seen = seen_by_asker(self._catalogue)
        rows = [row for row in await self.reader.all("saved_views") if view_in_sight(row, seen)]
        return {"items": [row | {"at": rfc3339(row["at"])} for row in rows]}

    @question
    async def noted(self) -> Row:
        """`last` is another one after somebody assigned, acknowledged or commented on anything; None: nobody did."""
        row = await self.reader.one("last_note")
        return {"last": row["id"] if row else None}

    @question
    async def assignees(self) -> Row:
        """Those who handle something."""
        return {"items": [row["assigned_to"] for row in await self.reader.all("assignees")]}

    @question
    async def zones(self) -> Row:
        """The zones by which calendars and objectives decide, with what they are called; those of most come first."""
        return {"items": zones_of(self._catalogue)}

    @question
    async def periods(
        self,
        name: str,
        *,
        period: str | None = None,
        zone: str | None = None,
        limit: int = 12,
        group: Sequence[str] = (),
    ) -> Row | None:
        """What an objective came to in the present period and those before it. Raises BadQuery."""
        return await periods_of(self.reader, self._catalogue, name, period=period, zone=zone, limit=limit, group=group)

    @question
    async def objectives(self) -> Row:
        """Every objective as it stands."""
        return {"items": await list_objectives(self.reader, self._catalogue)}

    @question
    async def objective(
        self, name: str, group: Sequence[str] = (), since: str | None = None, until: str | None = None
    ) -> Row | None:
        """One objective, in all or in a group, with its history and groups; None: there is none. Raises BadQuery."""
        return await one_objective(self.reader, self._catalogue, name, group, since, until)

    @question
    async def contributors(
        self,
        name: str,
        *,
        since: str | None = None,
        until: str | None = None,
        outcome: str = "bad",
        group: Sequence[str] = (),
        where: Sequence[str] = (),
        cursor: str | None = None,
        limit: int = 50,
    ) -> Row | None:
        """A page of what an objective counted in a span of time; None when there is none. Raises BadQuery.

        `where` is `name=value` of attributes and keys, of which each must be so.
        """
        async with self.listing:
            return await contributors(
                self.reader,
                self._catalogue,
                name,
                since=since,
                until=until,
                outcome=outcome,
                group=group,
                where=where,
                cursor=cursor,
                limit=limit,
            )

    @question
    async def objective_differences(
        self,
        name: str,
        *,
        since: str | None = None,
        until: str | None = None,
        group: Sequence[str] = (),
        limit: int = 20,
    ) -> Row | None:
        """What the instances that an objective counted as bad have in common, against the good ones; None: no such one.

        One question at a time, for each reads many instances. Raises BadQuery and Unanswerable.
        """
        asked: Row = {"since": since, "until": until, "group": group, "limit": limit}
        async with self.comparing:
            return await objective_differences(self.reader, self._catalogue, name, **asked)

    @question
    async def forecast(self, workflow: str, by: str | None = None, since: str | None = None) -> Row | None:
        """What is likely to come of each stage of a workflow; None when there is none. Raises BadQuery."""
        return await forecast(self.reader, self._catalogue, workflow, by, since, await self.reader.now())

    @question
    async def outlook(self, workflow: str | None = None, *, objective: str | None = None) -> Row | None:
        """What is likely to come of each workflow with deadlines within the hour; of one of them also within the day.

        That one is named, or it is the one of an objective. None when there is no such workflow or objective.
        """
        if objective is not None:
            one = named(self._catalogue, objective)
            workflow = "" if one is None else one.workflow
        return await self._outlook.workflows(workflow)

    @question
    async def instance_forecast(self, id: str) -> Row | None:
        """The chances that an instance misses the deadlines it has before it; None when there is no such instance."""
        found = _uuid(id)
        return None if found is None else await self._outlook.instance(found)

    @question
    async def incidents(
        self,
        status: str | None = None,
        q: str | None = None,
        owner: str | None = None,
        severity: str | None = None,
        domain: str | None = None,
        sort: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> Row:
        """Incidents, firing first; `q` is looked for in what they are and what was said of them. Raises BadQuery.

        With `since` or `until` those that were open at some time between them.
        """
        faults = []
        if status not in (None, "firing", "resolved"):
            faults.append("status: must be firing or resolved")
        if sort not in (None, *INCIDENT_SORTS):
            faults.append(f"sort: must be one of {', '.join(INCIDENT_SORTS)}")
        texts = {"q": q, "owner": owner, "severity": severity, "domain": domain}
        faults += [
            f"{name}: must be text of at most 200 characters"
            for name, text in texts.items()
            if text is not None and (len(text) > 200 or "\x00" in text)
        ]
        if faults:
            raise BadQuery(*faults)
        span = span_of(since, until, await self.reader.clock())
        return await list_incidents(self.reader, status, q, owner, severity, domain, sort, span)

    @question
    async def incident(self, id: str) -> Row | None:
        """One incident with its timeline; None when there is none."""
        found = _uuid(id)
        return None if found is None else await one_incident(self.reader, found)

    @question
    async def incident_attempts(self, id: str) -> Row | None:
        """Every attempt to deliver what was told of an incident; None when there is none."""
        found = _uuid(id)
        return None if found is None else await attempts_of(self.reader, found)

    @question
    async def sources(self) -> Row:
        """Every source that has sent or is defined, and the flows between them."""
        now = await self.reader.now()
        items = await list_sources(self.reader, self._catalogue, now)
        return {"items": items, "flows": await handovers(self.reader, self._catalogue)}

    @question
    async def source_volume(self, source: str, since: str | None = None, until: str | None = None) -> Row | None:
        """What a source sent in each hour of the last week, or of another time, and what it usually sends in that hour.

        None for one that has never sent and is not defined. Raises BadQuery.
        """
        known = {row["source"] for row in await self.reader.all("sources")} | set(self._catalogue.sources)
        now = await self.reader.now()
        span = span_of(since, until, now)
        return await volume_of(self.reader, source, now, *span) if source in known else None

    @question
    async def dead_letters(
        self, source: str | None = None, cursor: str | None = None, limit: int = 50, reason: str | None = None
    ) -> Row:
        """A page of dead letters that nobody has settled, newest first. Raises BadQuery."""
        if cursor is not None and not (cursor.isdecimal() and len(cursor) < 19):
            raise BadQuery("cursor: not one of ours")
        if not 1 <= limit <= 500:
            raise BadQuery("limit: must be from 1 to 500")
        source = source.replace("\x00", "") if source else None
        before = int(cursor) if cursor else None
        reason = reason.replace("\x00", "") if reason else None
        asked = {"source": source, "reason": reason}
        rows = await self.reader.all("dead_letters", asked | {"before": before, "limit": limit + 1})
        total = await self.reader.one("count_dead_letters", asked)
        items = [
            {name: value for name, value in row.items() if name not in ("number", "received_at")}
            | {"id": str(row["number"]), "received_at": rfc3339(row["received_at"])}
            for row in rows[:limit]
        ]
        following = items[-1]["id"] if len(rows) > limit else None
        return {"items": items, "next_cursor": following, "total": total["count"] if total else 0}

    @question
    async def search(self, text: str, limit: int = 10) -> Row:
        """Instances by the beginning of any key they ever carried."""
        return await find_by_key(self.reader, self._catalogue, text, limit)


def _filter(asked: Row) -> InstanceFilter:
    several = {name: tuple(asked.get(name) or ()) for name in ("verdict", "attribute")}
    return InstanceFilter(**asked | several)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
