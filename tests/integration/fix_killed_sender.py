"""A sender that is killed at a step: run as `python fix_killed_sender.py URL NOW STEP SPEC`, SPEC a route in JSON."""

from __future__ import annotations

import json
import os
import signal
import sys

import psycopg

from alerting import outbox
from alerting.channels.guarded import new_client
from alerting.channels.reach import reach_of
from alerting.route import Route, parse_route

STEPS = ("leased", "sending", "sent", "settled", "before_commit")


def main() -> None:
    url, now, step, spec = sys.argv[1:5]
    routes = []
    for one in json.loads(spec):
        parsed = parse_route(one, os.environ)
        assert isinstance(parsed, Route), parsed
        routes.append(parsed)

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    lease, send, record = outbox._lease, outbox.send, outbox._record

    def leasing(*given):  # type: ignore[no-untyped-def]  # noqa: ANN002, ANN202
        found = lease(*given)
        if step == "leased" and found is not None:
            die()
        return found

    def sending(*given):  # type: ignore[no-untyped-def]  # noqa: ANN002, ANN202
        if step == "sending":
            given[1].request(given[2])
            die()
        found = send(*given)
        if step == "sent":
            die()
        return found

    def recording(conn, *given):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN202
        if step == "before_commit":
            with conn.transaction():
                record(conn, *given)
                die()
        found = record(conn, *given)
        if step == "settled":
            die()
        return found

    outbox._lease, outbox.send, outbox._record = leasing, sending, recording
    reach = reach_of(["127.0.0.1"])
    with psycopg.connect(url) as conn, new_client(reach) as client:
        outbox.run_once(conn, int(now), client, routes, os.environ, reach=reach)


if __name__ == "__main__":
    main()
