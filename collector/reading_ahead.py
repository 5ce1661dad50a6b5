"""Reading and parsing the log in a process of its own while there is a backlog.

Parsing an event costs a third of what applying it does, and one interpreter runs one thing at a time. The projector
asks for what follows a number; the process sends chunk after chunk, as far as the pipe takes them, until it finds less
than a full one. Reading ahead is safe because the log is in order of commit: what comes after a number does not change.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from multiprocessing.context import SpawnProcess

import msgspec
import psycopg
import structlog

from collector.catalogue import Catalogue, load_catalogue, log_head
from collector.parsed import Parsed
from collector.processes import begin, context
from collector.reading import LogReader
from collector.store.database import PLANNED_ONCE, connect

log = structlog.get_logger("milepost.projector")

_STOP_SECONDS = 5.0
ANSWER_SECONDS = 30.0
AHEAD = 48
"""How many chunks, of some 300 kB each, are held here at most."""
_PIPE_BYTES = 2**20


class _Request(msgspec.Struct, array_like=True):
    number: int
    after: int
    received_at: int


class _Answer(msgspec.Struct, array_like=True, gc=False):
    """The events that follow what request `number` has been answered with so far; none: the log's end is near.

    `head` is the last number given in the log when they were read.
    """

    number: int
    head: int
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
        self._requests: Pipe | None = None
        self._answers: Pipe | None = None
        self._arrived: deque[bytes] = deque()
        self.ready = False
        """Whether the process has answered at all."""
        self._number = 0
        self._expected: int | None = None
        self.head = 0
        """The last number that was given in the log when what was taken last was read."""
        self.chunks = 0
        """How many chunks have been taken from it."""

    def ask(self, after: int, received_at: int, limit: int) -> None:
        """Have it read what follows a number, which was received at that instant (micros)."""
        if self._requests is None:
            requests, self._requests = context.Pipe(duplex=False)
            self._answers, answers = context.Pipe(duplex=False)
            _widen(answers)
            self._child = context.Process(
                target=_read_ahead, args=(self._url, requests, answers, limit, self._prepare), name="log-reader"
            )
            self._child.start()
            requests.close()
            answers.close()
        self._number += 1
        self._expected = after
        self._arrived.clear()
        self._requests.send_bytes(_encode(_Request(self._number, after, received_at)))

    def take(self, catalogue: Catalogue, after: int, *, wait: bool) -> list[Parsed] | None:
        """The full chunk that follows a number; None where nobody asked for it, or at the end, or if not there yet.

        Raises ReaderFailed.
        """
        answers = self._answers
        if answers is None or self._expected != after:
            return None
        try:
            if not self.ready:
                if not answers.poll(0):
                    return None
                places = _decode_places(answers.recv_bytes())
                if places != [(matcher.workflow.name, matcher.workflow.version) for matcher in catalogue.places]:
                    raise ReaderFailed("definitions have changed")
                self.ready = True
            self.gather()
            while self._arrived or answers.poll(ANSWER_SECONDS if wait else 0):
                answer = _decode_answer(self._arrived.popleft() if self._arrived else answers.recv_bytes())
                if answer.number == self._number:
                    if not answer.events:
                        self._expected = None
                        return None
                    self.chunks += 1
                    self.head = answer.head
                    self._expected = answer.events[-1].seq
                    return answer.events
        except (EOFError, OSError) as error:
            raise ReaderFailed("the log reader has ended") from error
        if wait:
            raise ReaderFailed(f"the log reader has not answered for {ANSWER_SECONDS:g} s")
        return None

    def gather(self) -> None:
        """Take what has come at once: the process is held up by a pipe that is full. Raises ReaderFailed."""
        answers = self._answers
        if answers is None or not self.ready:
            return
        try:
            while len(self._arrived) < AHEAD and answers.poll(0):
                self._arrived.append(answers.recv_bytes())
        except (EOFError, OSError) as error:
            raise ReaderFailed("the log reader has ended") from error

    def forget(self) -> None:
        """What it sends until it is asked again does not count."""
        self._expected = None

    def close(self) -> None:
        """End the process."""
        if self._requests is not None and self._answers is not None and self._child is not None:
            self._requests.close()
            self._answers.close()
            self._child.join(_STOP_SECONDS)
            if self._child.is_alive():
                self._child.kill()
            self._requests = self._answers = self._child = None
            self._arrived.clear()


def _widen(pipe: Pipe) -> None:
    """Let a pipe hold several chunks, where the system can do that (Linux)."""
    resize = getattr(fcntl, "F_SETPIPE_SZ", None)
    if resize is not None:
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe.fileno(), resize, _PIPE_BYTES)


def _read_ahead(database_url: str, requests: Pipe, answers: Pipe, limit: int, prepare: Callable[[], None]) -> None:
    """The process: answer requests until the other end closes, or anything goes wrong."""
    begin(prepare)
    # It is ahead anyway; the projector, which has to wait for it seldom, should not have to wait for the processor.
    os.nice(5)
    try:
        with connect(database_url, "log reader", options=PLANNED_ONCE, autocommit=True) as conn:
            catalogue = load_catalogue(conn)
            reader = LogReader(catalogue, limit)
            answers.send_bytes(_encode([(one.workflow.name, one.workflow.version) for one in catalogue.places]))
            while True:
                request = _decode_request(requests.recv_bytes())
                while True:
                    events = reader.read(conn, request.after, request.received_at)
                    full = len(events) == limit
                    answers.send_bytes(_encode(_Answer(request.number, log_head(conn), events if full else [])))
                    if not full or requests.poll(0):
                        break
                    request.after, request.received_at = events[-1].seq, events[-1].received_at
    except (EOFError, OSError):
        pass
    except psycopg.OperationalError as error:
        log.warning("log_not_read", error=str(error).strip())
    except Exception:
        log.exception("log_reader_failed")
