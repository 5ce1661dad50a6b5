"""Dividing a stretch of the log into shares, in a process of its own, ahead of those who apply them.

All events that may concern one instance must be in one share, without asking what the instances will be: those with a
joining key in common are connected, and so are the keys that are stored with one instance. The database is asked while
the stretch before is still being applied. What that changes is of instances whose keys it mentions; therefore what was
connected in the two stretches before stays connected (slo_rules/connected.py).

A stretch ends before an event with which a source turns, and before what people say of joins and versions: these look
at more than one instance, and are applied by whoever projects, alone.
"""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from multiprocessing.context import SpawnProcess

import msgspec
import psycopg
import structlog

from collector.arrivals import Arrivals
from collector.catalogue import Catalogue, load_catalogue, log_head
from collector.parsed import Parsed, unpack
from collector.processes import begin, context
from collector.reading import CHUNK, LogReader
from collector.reading_ahead import ReaderFailed
from collector.store.database import PLANNED_ONCE, Connection, connect
from collector.store.sql import load
from collector.stretches import NOBODY, Drawn, Stretch
from collector.textarray import TextArray
from collector.unjoined import Unjoined, load_unjoined
from slo_rules.acts import ACT_SOURCE
from slo_rules.connected import Connected, deal
from slo_rules.identity import Key, split_key

log = structlog.get_logger("milepost.projector")

Q = load("projection")
ANSWER_SECONDS = 60.0
_STOP_SECONDS = 5.0

Node = tuple[str, Key] | bytes
"""A joining key of a workflow, or the id of a stored instance."""


def versions_of(catalogue: Catalogue) -> list[tuple[str, int]]:
    """The workflow versions by which a stretch is divided."""
    return [(one.workflow.name, one.workflow.version) for one in catalogue.places]


class Divider:
    """Divides stretches of the log one after the other; forgets what it knows where one does not follow the other."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._versions = versions_of(catalogue)
        self._reader = LogReader(catalogue, CHUNK)
        self._at = -1
        self._arrivals: Arrivals | None = None
        self._connected = Connected()

    def divide(self, conn: Connection, after: int, received_at: int, most: int, shares: int) -> Stretch | None:
        """The stretch after a number, which was received at that instant (micros), of about `most` events.

        None where the very next event has to be applied alone, or there is none. Where the stretch before was not
        divided here, everything up to it must have been applied.
        """
        if self._arrivals is None or after != self._at:
            with conn.transaction():
                self._arrivals = Arrivals(conn, self._catalogue, after)
            self._connected = Connected()
        drawn, parts = self._draw(conn, self._arrivals, after, received_at, most)
        # Begun anew with every stretch: nobody asks this process what it has counted.
        self._arrivals.take()
        self._arrivals.listened()
        if not drawn:
            self._at = -1
            return None
        wholes = [part if part < 0 else self._connected.whole(part) for part in parts]
        dealt = deal([whole for whole in wholes if whole >= 0], shares) | {_UNCONNECTED: 0, _UNASKED: NOBODY}
        stretch = drawn.dealt([dealt[whole] for whole in wholes], self._versions, shares)
        self._at = stretch.seq
        self._connected.turn()
        return stretch

    def _draw(
        self, conn: Connection, arrivals: Arrivals, after: int, received_at: int, most: int
    ) -> tuple[Drawn, list[int]]:
        """Read what the stretch is made of, and for every event what it is connected with."""
        with conn.transaction():
            unjoined = load_unjoined(conn)
        drawn, parts, known = Drawn(after), list[int](), set[Node]()
        while len(drawn) < most:
            events = self._reader.read(conn, after, received_at)
            for event in events:
                if _concerns_many(event) or arrivals.note(event) is None:
                    self._ask(conn, known)
                    return drawn, parts
                drawn.add(event)
                parts.append(self._part(event, unjoined, known))
            if len(events) < CHUNK:
                break
            after, received_at = events[-1].seq, events[-1].received_at
        self._ask(conn, known)
        return drawn, parts

    def _part(self, event: Parsed, unjoined: Unjoined, known: set[Node]) -> int:
        """What an event is connected with."""
        nodes: list[Node] = []
        places = self._catalogue.places
        for place, joining, packed in event.found:
            workflow = places[place].workflow.name
            fitting = unjoined.fit_packed(workflow, joining, packed) if unjoined else (joining, packed)
            if fitting is not None:
                nodes += [(workflow, key) for key in fitting[0]]
        if nodes:
            known.update(nodes)
            return self._connected.connect(nodes)
        return _UNCONNECTED if event.found or event.error is not None else _UNASKED

    def _ask(self, conn: Connection, known: set[Node]) -> None:
        """Connect keys with the instances that they are stored with."""
        asked: dict[tuple[str, str], list[str]] = {}
        for node in known:
            if isinstance(node, tuple):
                workflow, key = node
                namespace, value = split_key(key)
                asked.setdefault((workflow, namespace), []).append(value)
        for (workflow, namespace), values in asked.items():
            values.sort()
            said = {"workflow": workflow, "namespace": namespace, "values": TextArray(values)}
            for value, id_ in conn.execute(Q["owners_of_keys"], said):
                self._connected.connect([(workflow, f"{namespace}={value}"), id_.bytes])


_UNCONNECTED, _UNASKED = -1, -2


def _concerns_many(event: Parsed) -> bool:
    """Whether an event says something of joins or of versions."""
    if event.source != ACT_SOURCE:
        return False
    said = [unpack(packed).match.more for _, _, packed in event.found]
    return any(more.join is not None or more.move is not None for more in said)


class _Request(msgspec.Struct, array_like=True):
    after: int
    received_at: int
    most: int
    shares: int


class _Answer(msgspec.Struct, array_like=True):
    """The stretch, and the last number that was given in the log then."""

    stretch: Stretch | None
    head: int


_encode = msgspec.msgpack.Encoder().encode
_decode_request = msgspec.msgpack.Decoder(_Request).decode
_decode_answer = msgspec.msgpack.Decoder(_Answer).decode


class DividingProcess:
    """The end of whoever projects. The process is started when it is first asked for something."""

    def __init__(self, database_url: str, prepare: Callable[[], None]) -> None:
        self._url = database_url
        self._prepare = prepare
        self._child: SpawnProcess | None = None
        self._pipe: Pipe | None = None
        self._asked: int | None = None
        self.head = 0
        """The last number that was given in the log when the last stretch was divided."""

    def ask(self, after: int, received_at: int, most: int, shares: int) -> None:
        """Have it divide what follows a number, which was received at that instant (micros)."""
        if self._pipe is None:
            self._pipe, theirs = context.Pipe()
            self._child = context.Process(
                target=_divide, args=(self._url, theirs, self._prepare), name="log-divider", daemon=True
            )
            self._child.start()
            theirs.close()
        self._take()
        self._asked = after
        self._pipe.send_bytes(_encode(_Request(after, received_at, most, shares)))

    def asked(self, after: int) -> bool:
        """Whether it is dividing what follows this number, or has."""
        return self._asked == after

    def take(self) -> Stretch | None:
        """What it was asked for last. Raises ReaderFailed."""
        answer = self._take()
        if answer is None:
            raise ReaderFailed("the log divider was asked for nothing")
        self.head = answer.head
        return answer.stretch

    def _take(self) -> _Answer | None:
        if self._asked is None or self._pipe is None:
            return None
        self._asked = None
        try:
            if not self._pipe.poll(ANSWER_SECONDS):
                raise ReaderFailed(f"the log divider has not answered for {ANSWER_SECONDS:g} s")
            return _decode_answer(self._pipe.recv_bytes())
        except (EOFError, OSError) as error:
            raise ReaderFailed("the log divider has ended") from error

    def close(self) -> None:
        """End the process."""
        if self._pipe is not None and self._child is not None:
            self._pipe.close()
            self._child.join(_STOP_SECONDS)
            if self._child.is_alive():
                self._child.kill()
            self._pipe = self._child = self._asked = None


def _divide(database_url: str, pipe: Pipe, prepare: Callable[[], None]) -> None:
    """The process: answer requests until the other end closes, or anything goes wrong."""
    begin(prepare)
    try:
        with connect(database_url, "log divider", options=PLANNED_ONCE, autocommit=True) as conn:
            divider = Divider(load_catalogue(conn))
            while True:
                asked = _decode_request(pipe.recv_bytes())
                stretch = divider.divide(conn, asked.after, asked.received_at, asked.most, asked.shares)
                pipe.send_bytes(_encode(_Answer(stretch, log_head(conn))))
    except (EOFError, OSError):
        pass
    except psycopg.OperationalError as error:
        log.warning("log_not_divided", error=str(error).strip())
    except Exception:
        log.exception("log_divider_failed")
