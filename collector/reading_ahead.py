"""Reading and parsing the log in a process of its own while there is a backlog.

Parsing an event costs a third of what applying it does, and one interpreter runs one thing at a time. The projector
asks for what follows a number; the process sends chunk after chunk, as far as the pipe takes them, until it finds less
than a full one. Reading ahead is safe because the log is in order of commit: what comes after a number does not change.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from multiprocessing.context import SpawnProcess

import msgspec
import psycopg
import structlog

from collector.catalogue import Catalogue, load_catalogue
from collector.processes import begin, context
from collector.reading import LogReader, Parsed
from collector.store.database import PLANNED_ONCE, connect

log = structlog.get_logger("milepost.projector")

_STOP_SECONDS = 5.0
ANSWER_SECONDS = 30.0


class _Request(msgspec.Struct, array_like=True):
    number: int
    after: int
    received_at: int


class _Answer(msgspec.Struct, array_like=True, gc=False):
    """The events that follow what request `number` has been answered with so far; none: the log's end is near."""

    number: int
    events: list[Parsed]


_Places = list[tuple[str, int]]
_encode = msgspec.msgpack.Encoder().encode
_decode_request = msgspec.msgpack.Decoder(_Request).decode
_decode_answer = msgspec.msgpack.Decoder(_Answer).decode
_decode_places = msgspec.msgpack.Decoder(_Places).decode


class ReaderFailed(Exception):
    """The process has ended, or knows other definitions than we do; both of us have to begin again."""


class ReadingProcess:
    """The projector's end. The process is started when it is first asked for something."""

    def __init__(self, database_url: str, prepare: Callable[[], None]) -> None:
        self._url = database_url
        self._prepare = prepare
        self._child: SpawnProcess | None = None
        self._pipe: Pipe | None = None
        self.ready = False
        """Whether the process has answered at all."""
        self._number = 0
        self._expected: int | None = None
        self.chunks = 0
        """How many chunks have been taken from it."""

    def ask(self, after: int, received_at: int, limit: int) -> None:
        """Have it read what follows a number, which was received at that instant (micros)."""
        if self._pipe is None:
            self._pipe, theirs = context.Pipe()
            self._child = context.Process(
                target=_read_ahead, args=(self._url, theirs, limit, self._prepare), name="log-reader"
            )
            self._child.start()
            theirs.close()
        self._number += 1
        self._expected = after
        self._pipe.send_bytes(_encode(_Request(self._number, after, received_at)))

    def take(self, catalogue: Catalogue, after: int, *, wait: bool) -> list[Parsed] | None:
        """The full chunk that follows a number; None where nobody asked for it, or at the end, or if not there yet.

        Raises ReaderFailed.
        """
        if self._pipe is None or self._expected != after:
            return None
        try:
            if not self.ready:
                if not self._pipe.poll(0):
                    return None
                places = _decode_places(self._pipe.recv_bytes())
                if places != [(matcher.workflow.name, matcher.workflow.version) for matcher in catalogue.places]:
                    raise ReaderFailed("definitions have changed")
                self.ready = True
            while self._pipe.poll(ANSWER_SECONDS if wait else 0):
                answer = _decode_answer(self._pipe.recv_bytes())
                if answer.number == self._number:
                    if not answer.events:
                        self._expected = None
                        return None
                    self.chunks += 1
                    self._expected = answer.events[-1].seq
                    return answer.events
        except (EOFError, OSError) as error:
            raise ReaderFailed("the log reader has ended") from error
        if wait:
            raise ReaderFailed(f"the log reader has not answered for {ANSWER_SECONDS:g} s")
        return None

    def forget(self) -> None:
        """What it sends until it is asked again does not count."""
        self._expected = None

    def close(self) -> None:
        """End the process."""
        if self._pipe is not None and self._child is not None:
            self._pipe.close()
            self._child.join(_STOP_SECONDS)
            if self._child.is_alive():
                self._child.kill()
            self._pipe = self._child = None


def _read_ahead(database_url: str, pipe: Pipe, limit: int, prepare: Callable[[], None]) -> None:
    """The process: answer requests until the other end closes, or anything goes wrong."""
    begin(prepare)
    # It is ahead anyway; the projector, which has to wait for it seldom, should not have to wait for the processor.
    os.nice(5)
    try:
        with connect(database_url, "log reader", options=PLANNED_ONCE) as conn:
            catalogue = load_catalogue(conn)
            reader = LogReader(catalogue, limit)
            pipe.send_bytes(_encode([(one.workflow.name, one.workflow.version) for one in catalogue.places]))
            while True:
                request = _decode_request(pipe.recv_bytes())
                while True:
                    events = reader.read(conn, request.after, request.received_at)
                    full = len(events) == limit
                    pipe.send_bytes(_encode(_Answer(request.number, events if full else [])))
                    if not full or pipe.poll(0):
                        break
                    request.after, request.received_at = events[-1].seq, events[-1].received_at
    except (EOFError, OSError):
        pass
    except psycopg.OperationalError as error:
        log.warning("log_not_read", error=str(error).strip())
    except Exception:
        log.exception("log_reader_failed")
