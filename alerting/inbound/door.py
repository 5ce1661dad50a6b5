"""Where Slack and PagerDuty say what people did there: `POST /inbound/slack` and `POST /inbound/pagerduty`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path

from alerting.inbound import pagerduty, slack
from alerting.inbound.act import Act, NotHeard
from collector.ingest.bodies import Refusal, problem

MOST_BYTES = 256 * 2**10
Perform = Callable[[Sequence[Act]], None]
_READERS = {"slack": slack.read, "pagerduty": pagerduty.read}


class InboundDoor:
    """Answers 200 once what was said is done; 503 where that cannot be, so that it is said again."""

    def __init__(self, secrets: Mapping[str, Collection[str]], perform: Perform, clock: Callable[[], int]) -> None:
        """`secrets` by kind of target; `perform` blocks and raises where it could not; `clock` gives micros, UTC."""
        self._secrets = secrets
        self._perform = perform
        self._clock = clock

    def paths(self) -> list[Path]:
        """The routes of those kinds that have a secret; without one nothing can be known to be theirs."""
        return [
            Path(f"/inbound/{kind}", self.take, methods=["POST"], name=kind)
            for kind in _READERS
            if self._secrets.get(kind)
        ]

    async def take(self, request: Request) -> Response:
        """One request."""
        kind = request.url.path.rsplit("/", 1)[1]
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                return problem("inbound", Refusal(413, f"the body is larger than {MOST_BYTES} bytes"))
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            acts = _READERS[kind](body, headers, self._secrets[kind], self._clock())
        except NotHeard as error:
            return problem("inbound", Refusal(error.status, str(error)))
        if acts:
            try:
                await asyncio.to_thread(self._perform, acts)
            except Exception:  # noqa: BLE001 — whatever it was, it is not done, and the sender must know
                return problem("inbound", Refusal(503, "it could not be done; say it again", 5))
        return Response(status_code=200)
