"""What is answered where a request cannot be: problem documents (RFC 9457), each fault by its field."""

from __future__ import annotations

import orjson
import psycopg
import psycopg_pool
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import Response

from collector.access.permission import NotPermitted
from collector.acts import ActRefused
from collector.acts_api import Row
from collector.log import Unavailable
from collector.query.instances import BadQuery
from collector.query.moments import Unanswerable, Unsettled
from collector.saved_views import ViewTaken


def problem(status: int, title: str, faults: list[Row] | None = None) -> Response:
    """A problem document (RFC 9457)."""
    body: Row = {"type": "about:blank", "title": title, "status": status}
    if faults:
        body["faults"] = faults
    return Response(orjson.dumps(body), status, media_type="application/problem+json")


def add_problems(api: FastAPI) -> None:
    """Which error is answered how."""

    @api.exception_handler(BadQuery)
    async def bad_query(_request: Request, error: Exception) -> Response:
        assert isinstance(error, BadQuery)
        parts = [fault.partition(": ") for fault in error.faults]
        return problem(400, str(error), [{"field": field, "message": message} for field, _, message in parts])

    @api.exception_handler(ActRefused)
    async def act_refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, ActRefused)
        parts = [fault.partition(": ") for fault in error.faults]
        status = 404 if error.unknown else 409 if error.conflicting else 400
        return problem(status, str(error), [{"field": field, "message": message} for field, _, message in parts])

    @api.exception_handler(ViewTaken)
    async def view_taken(_request: Request, error: Exception) -> Response:
        said = f"there is a view named {error} already; say replace to put this one in its place"
        return problem(409, said, [{"field": "name", "message": "is taken"}])

    @api.exception_handler(NotPermitted)
    async def not_permitted(_request: Request, error: Exception) -> Response:
        return problem(403, str(error))

    @api.exception_handler(Unavailable)
    async def unavailable(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Unavailable)
        answer = problem(429 if error.overloaded else 503, str(error))
        answer.headers["retry-after"] = str(error.retry_after)
        return answer

    @api.exception_handler(Unanswerable)
    async def unanswerable(_request: Request, error: Exception) -> Response:
        return problem(422, str(error))

    @api.exception_handler(Unsettled)
    async def unsettled(_request: Request, error: Exception) -> Response:
        answer = problem(503, str(error))
        answer.headers["retry-after"] = "2"
        return answer

    @api.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        faults = [{"field": str(one["loc"][-1]), "message": one["msg"]} for one in error.errors()]
        return problem(400, "; ".join(f"{one['field']}: {one['message']}" for one in faults), faults)

    @api.exception_handler(StarletteHTTPException)
    async def refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, StarletteHTTPException)
        answer = problem(error.status_code, str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    @api.exception_handler(Exception)
    async def failed(_request: Request, _error: Exception) -> Response:
        # Whoever serves writes the error itself to the log.
        return problem(500, "this failed here; the server's log says why")

    @api.exception_handler(psycopg.OperationalError)
    @api.exception_handler(psycopg_pool.PoolTimeout)
    async def away(_request: Request, _error: Exception) -> Response:
        answer = problem(503, "the database cannot be reached")
        answer.headers["retry-after"] = "5"
        return answer
