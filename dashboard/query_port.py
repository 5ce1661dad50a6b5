"""What the dashboard asks of the query layer.

Every answer is a JSON-ready dict; times in it are RFC 3339 text with `Z`, or None.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from collector.query.flow_comparison import Said

Row = dict[str, Any]


class DashboardRegions(Protocol):
    async def overview(self) -> Row: ...


class DashboardQuery(Protocol):
    def replica(self) -> Row | None: ...

    async def overview(self) -> Row: ...

    async def workflows(self) -> Row: ...

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
        sort: str = "deadline_at",
        cursor: str | None = None,
        limit: int = 50,
        offset: int | None = None,
    ) -> Row: ...

    async def differences(self, *, since: str | None = None, limit: int = 20, most: int = ..., **asked: Any) -> Row: ...

    async def instance(self, instance_id: str, /, *, known_at: str | None = None) -> Row | None: ...

    async def definitions(self) -> Row: ...

    async def definition(self, workflow: str, /) -> Row | None: ...

    async def definition_tests(self, workflow: str, /) -> Row | None: ...

    async def outlook(self, *, objective: str | None = None) -> Row | None: ...

    async def instance_forecast(self, instance_id: str, /) -> Row | None: ...

    async def objectives(self) -> Row: ...

    async def objective(
        self, name: str, /, group: Sequence[str] = (), since: str | None = None, until: str | None = None
    ) -> Row | None: ...

    async def periods(self, name: str, /, *, limit: int = 12, group: Sequence[str] = ()) -> Row | None: ...

    async def contributors(
        self,
        name: str,
        /,
        *,
        since: str | None = None,
        until: str | None = None,
        outcome: str = "bad",
        group: Sequence[str] = (),
        where: Sequence[str] = (),
        cursor: str | None = None,
    ) -> Row | None: ...

    async def objective_differences(
        self,
        name: str,
        /,
        *,
        since: str | None = None,
        until: str | None = None,
        group: Sequence[str] = (),
        limit: int = 20,
    ) -> Row | None: ...

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
    ) -> Row: ...

    async def incident(self, incident_id: str, /) -> Row | None: ...

    async def incident_attempts(self, incident_id: str, /) -> Row | None: ...

    async def sources(self) -> Row: ...

    async def source_volume(self, source: str, /, since: str | None = None, until: str | None = None) -> Row | None: ...

    async def dead_letters(self, source: str | None = None, cursor: str | None = None, limit: int = 50) -> Row: ...

    async def account(self, namespace: str, value: str, /) -> Row | None: ...

    async def flow(self, workflow: str, /) -> Row | None: ...

    async def flow_comparison(self, workflow: str, one: Said, other: Said, /) -> Row | None: ...

    async def noted(self) -> Row: ...

    async def assignees(self) -> Row: ...

    async def search(self, text: str, limit: int = 10) -> Row: ...
