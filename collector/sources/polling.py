"""Asking systems that do not push. One process asks one thing at a time, by a claim on its row that runs out.

What was read and the place to go on from are stored in one transaction, which fails where somebody else has gone on
meanwhile: what is asked for is in the log once however a process ends. No transaction is open while a system is asked.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
import structlog
from psycopg.types.json import Jsonb

from collector import metrics
from collector.log import DeadLetter, SourceRequest, append, keep_requests
from collector.sources.addresses import refused
from collector.sources.exchange import Received, Unreadable
from collector.sources.polled import Ask, Polled, State
from collector.sources.receiving import Receiver, withheld
from collector.sources.signatures import hashed
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.adapter import Poll
from slo_rules.durations import SECOND

log = structlog.get_logger("milepost.sources")
Q = load("sources")

RUN_SECONDS = 20.0
CLAIM_SECONDS = 120
"""More than one request may take: whoever asks renews his claim with each answer."""
MAX_ANSWER = 8 * 2**20
LONGEST_ATTEMPT = 60.0
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
FIRST_DELAY, LONGEST_DELAY, LONGEST_ASKED_FOR = 5.0, 900.0, 86_400.0
_TOKEN_SECONDS = 20 * 3600.0
_HAS_NO_PLACE = (400, 404, 410, 422)


class Failed(Exception):
    """A system did not answer as it should; `after` says in how many seconds it wants to be asked again, 0: nothing."""

    def __init__(self, why: str, *, status: int = 0, after: float = 0.0) -> None:
        super().__init__(why)
        self.status = status
        self.after = after


class Overtaken(Exception):
    """Somebody else has gone on from the same place."""


def delay(failures: int, after: float = 0.0) -> float:
    """Seconds until a system is asked again that has failed so many times; `after` is what it asks for itself."""
    backed_off: float = min(FIRST_DELAY * 2.0 ** min(failures, 20), LONGEST_DELAY)
    return max(backed_off, min(after, LONGEST_ASKED_FOR))


def asked_for(header: str, now: float) -> float:
    """The seconds of a header Retry-After; 0 where it says none."""
    if header.strip().isdecimal():
        return min(float(header.strip()[:12]), LONGEST_ASKED_FOR)
    try:
        at = parsedate_to_datetime(header)
        return max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return 0.0


@dataclass(slots=True)
class _Claim:
    """One thing to ask for, ours until somebody else takes it over."""

    source: str
    name: str
    state: State
    failures: int
    number: int


@dataclass(slots=True)
class _Token:
    text: str
    until: float


@dataclass(slots=True)
class Poller:
    """Asks all systems of these sources that are to be asked."""

    receivers: Mapping[str, Receiver]
    client: httpx.Client
    _tokens: dict[str, _Token] = field(default_factory=dict)

    def run_once(self, conn: Connection, _now: datetime) -> int:
        """Ask for what is due, for a while; how many answers with something in them were kept."""
        pairs = [(name, one) for name, known in self._polled().items() for one in known.objects]
        if not pairs:
            return 0
        named = {"sources": [source for source, _ in pairs], "names": [name for _, name in pairs]}
        kept, give_up = 0, time.monotonic() + RUN_SECONDS
        with conn.transaction():
            conn.execute(Q["declare_polls"], named)
        while time.monotonic() < give_up:
            with conn.transaction():
                row = conn.execute(Q["claim_poll"], named | {"seconds": CLAIM_SECONDS}).fetchone()
            if row is None:
                break
            kept += self._ask(conn, _Claim(*row), give_up)
        return kept

    def _polled(self) -> dict[str, Poll]:
        return {name: one.said.poll for name, one in self.receivers.items() if one.said.poll is not None}

    def _ask(self, conn: Connection, claim: _Claim, give_up: float) -> int:
        """Ask on and on until there is nothing more, or no time; how many answers were kept."""
        receiver = self.receivers[claim.source]
        poll, kept, outcome = receiver.said.poll, 0, "failed"
        assert poll is not None
        try:
            while True:
                holds, more = self._step(conn, receiver, poll, claim)
                kept += holds
                if not more or time.monotonic() >= give_up:
                    break
            self._rest(conn, claim, 0.0 if more else poll.every / SECOND, 0)
            outcome = "asked"
        except Overtaken:
            outcome = "overtaken"
        except (Failed, Unreadable) as error:
            after = delay(claim.failures, error.after if isinstance(error, Failed) else 0.0)
            log.warning(
                "source_not_polled", source=claim.source, object=claim.name, error=str(error), again_in=f"{after:.0f}s"
            )
            self._rest(conn, claim, after, claim.failures + 1)
        metrics.SOURCE_POLLS.labels(claim.source, outcome).inc()
        return kept

    def _step(self, conn: Connection, receiver: Receiver, poll: Poll, claim: _Claim) -> tuple[bool, bool]:
        """One request: whether its answer held something that was stored, and whether there is more."""
        adapter = receiver.adapter
        assert isinstance(adapter, Polled)
        now = time.time_ns() // 1000
        try:
            body, media = self._answer(receiver, poll, adapter.ask(poll, claim.name, claim.state, now))
        except Failed as error:
            state = adapter.without_place(claim.state) if error.status in _HAS_NO_PLACE else None
            if state is None:
                raise
            log.warning("source_forgot_the_place", source=claim.source, object=claim.name, error=str(error))
            self._go_on(conn, claim, state, [], [])
            return False, True
        step = adapter.step(poll, claim.name, claim.state, body, now)
        rows: list[SourceRequest] = []
        letters: list[DeadLetter] = []
        if step.holds:
            received = Received("POST", claim.name, {"content-type": media}, body)
            try:
                kept = receiver.keep(received)
                rows.append(SourceRequest(claim.source, "POST", claim.name, receiver.kept_headers(received), kept))
            except Unreadable as error:
                letters.append(withheld(claim.source, received, str(error), hashed(body)))
        self._go_on(conn, claim, step.state, rows, letters)
        return bool(rows), step.more

    def _go_on(
        self, conn: Connection, claim: _Claim, state: State, rows: list[SourceRequest], letters: list[DeadLetter]
    ) -> None:
        named = {"source": claim.source, "name": claim.name, "claim": claim.number, "seconds": CLAIM_SECONDS}
        with conn.transaction():
            if not conn.execute(Q["poll_went_on"], named | {"state": Jsonb(state)}).rowcount:
                raise Overtaken
            keep_requests(conn, rows)
            append(conn, [], [], letters)
        claim.state, claim.failures = state, 0

    def _rest(self, conn: Connection, claim: _Claim, seconds: float, failures: int) -> None:
        named = {"source": claim.source, "name": claim.name, "claim": claim.number}
        with conn.transaction():
            conn.execute(Q["poll_rests"], named | {"seconds": seconds, "failures": failures})

    def _answer(self, receiver: Receiver, poll: Poll, ask: Ask) -> tuple[bytes, str]:
        adapter = receiver.adapter
        assert isinstance(adapter, Polled)
        secret = (receiver.poll_secret or b"").decode("utf-8", "surrogateescape")
        name = receiver.source.name
        if adapter.knows_by != "client":
            basic = f"Basic {b64encode(secret.encode('utf-8', 'surrogateescape')).decode()}"
            return self._send(poll, ask, basic if adapter.knows_by == "basic" else f"Bearer {secret}")
        known = self._tokens.get(name)
        if known is not None and time.monotonic() < known.until:
            try:
                return self._send(poll, ask, f"Bearer {known.text}")
            except Failed as error:
                if error.status != 401:
                    raise
        # A token may be taken back before its time.
        self._tokens.pop(name, None)
        token = self._tokens[name] = self._token(poll, adapter.token_path, secret)
        return self._send(poll, ask, f"Bearer {token.text}")

    def _token(self, poll: Poll, path: str, secret: str) -> _Token:
        """By the client credentials grant of RFC 6749, 4.4, with the client in the body."""
        id_, _, password = secret.partition(":")
        form = {"grant_type": "client_credentials", "client_id": id_, "client_secret": password}
        form |= {"scope": poll.scope} if poll.scope else {}
        headers = {"content-type": "application/x-www-form-urlencoded"}
        asked = time.monotonic()
        body, _ = self._send(poll, Ask("POST", path, body=urlencode(form).encode(), headers=headers), "")
        try:
            found = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = None
        text = found.get("access_token") if isinstance(found, dict) else None
        if not isinstance(text, str) or not text or not text.isascii() or not text.isprintable():
            raise Failed("the answer holds no token")
        lasts: Any = found.get("expires_in")
        seconds = float(lasts) if type(lasts) in (int, float) else _TOKEN_SECONDS
        return _Token(text, asked + min(seconds * 0.8, _TOKEN_SECONDS))

    def _send(self, poll: Poll, ask: Ask, authorization: str) -> tuple[bytes, str]:
        """The body of a good answer and its content type. Raises Failed; neither address nor secret is in the words."""
        url = poll.url + ask.path
        if why := refused(url):
            raise Failed(f"its address {why}")
        headers = {"accept": "application/json", "user-agent": "milepost"} | dict(ask.headers)
        headers |= {"authorization": authorization} if authorization else {}
        stop = time.monotonic() + LONGEST_ATTEMPT
        try:
            with self.client.stream(
                ask.method, url, params=list(ask.query) or None, content=ask.body, headers=headers, timeout=TIMEOUT
            ) as answer:
                if not answer.is_success:
                    after = asked_for(answer.headers.get("retry-after", ""), time.time())
                    raise Failed(f"answered {answer.status_code}", status=answer.status_code, after=after)
                body = bytearray()
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > MAX_ANSWER:
                        raise Failed(f"answered with more than {MAX_ANSWER} bytes")
                    if time.monotonic() > stop:
                        raise Failed(f"had not ended its answer after {LONGEST_ATTEMPT:.0f} seconds")
                return bytes(body), answer.headers.get("content-type", "application/json")
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeEncodeError) as error:
            raise Failed(f"cannot be asked: {type(error).__name__}") from error
