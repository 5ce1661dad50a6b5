"""The faults: each is drawn from the seed, begins, and may end a while later."""

from __future__ import annotations

import contextlib
import random
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil
import psycopg

from tests.faults.database import Postgres
from tests.faults.landscape import VETERANS, Landscape, Member
from tests.faults.wire import Wire

End = Callable[[], None] | None
"""How a fault ends; None where it is over at once, or is repaired by others."""
_LOG_LOCK = 0x6D696C65_0002
_POISON = (
    b"not json", b"", b"\xff\xfe", b"[]", b"null", b'{"data":', b"7", b'{"data":{"order_id":{"a":[]}}}',
    b'{"data":' + b"[" * 2_000 + b"]" * 2_000 + b"}",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault, how often it is drawn, for how long it lasts (seconds), and whether it kills something."""

    name: str
    weight: int
    begin: Callable[[World, random.Random, float], End]
    least: float = 0.0
    most: float = 0.0
    kills: bool = False


class Missed(Exception):
    """There was nothing to hit, such as a worker of a process that has none yet."""


@dataclass(slots=True)
class World:
    """What faults hit."""

    landscape: Landscape
    postgres: Postgres
    database_wires: list[Wire]
    sender_wires: list[Wire]
    others: Callable[[str], Member]
    """Makes a process that knows other definitions: `another` ones, or `hostile` ones."""
    poisoned: int = 0
    hostile: list[Member] = field(default_factory=list)
    """Those that were given definitions with faults, and must end."""
    counts: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)

    def someone(self, random_: random.Random, *, mortal: bool = False) -> Member:
        """A process that nobody has told to stop; Missed where the one that was drawn is not there."""
        one = random_.choice(self.landscape.members)
        if not one.alive() or one.told_to_stop is not None or (mortal and one.name in VETERANS):
            raise Missed
        return one


def _kill(world: World, random_: random.Random, _: float) -> End:
    world.landscape.kill(world.someone(random_, mortal=True))
    return None


def _kill_worker(world: World, random_: random.Random, _: float) -> End:
    workers = [worker for one in world.landscape.members for worker in one.workers()]
    _send(random_.choice(workers or [None]), signal.SIGKILL)
    return None


def _kill_tree(world: World, random_: random.Random, _: float) -> End:
    one = world.someone(random_, mortal=True)
    workers = one.workers()
    world.landscape.kill(one)
    for worker in workers:
        with contextlib.suppress(psutil.Error):
            worker.kill()
    return None


def _tell(world: World, random_: random.Random, _: float) -> End:
    mortal = [one for one in world.landscape.members if one.name not in VETERANS and one.told_to_stop is None]
    # Whoever has not begun yet has nothing to bring to an end.
    for one in random_.sample(mortal, 3):
        if one.ready():
            world.landscape.tell(one)
            return None
    raise Missed


def _pause(world: World, random_: random.Random, _: float) -> End:
    one = world.someone(random_)
    assert one.process is not None
    return _paused(psutil.Process(one.process.pid))


def _pause_worker(world: World, random_: random.Random, _: float) -> End:
    workers = [worker for one in world.landscape.members for worker in one.workers()]
    return _paused(random_.choice(workers or [None]))


def _kill_backend(world: World, random_: random.Random, _: float) -> End:
    _send(random_.choice(world.postgres.sessions() or [None]), signal.SIGKILL)
    return None


def _end_session(world: World, random_: random.Random, _: float) -> End:
    _send(random_.choice(world.postgres.sessions() or [None]), signal.SIGTERM)
    return None


def _pause_backend(world: World, random_: random.Random, _: float) -> End:
    return _paused(random_.choice(world.postgres.sessions() or [None]))


def _pause_database(world: World, _: random.Random, __: float) -> End:
    world.postgres.signal_all(signal.SIGSTOP)
    return lambda: world.postgres.signal_all(signal.SIGCONT)


def _stop(how: signal.Signals) -> Callable[[World, random.Random, float], End]:
    def begin(world: World, _: random.Random, __: float) -> End:
        world.postgres.stop(how)
        return world.postgres.start

    return begin


def _fill(world: World, _: random.Random, __: float) -> End:
    if not world.postgres.fillable:
        raise Missed
    world.postgres.fill()
    return world.postgres.clear


def _wire(which: str, do: Callable[[Wire, random.Random], None]) -> Callable[[World, random.Random, float], End]:
    def begin(world: World, random_: random.Random, _: float) -> End:
        wire = random_.choice(world.database_wires if which == "database" else world.sender_wires)
        do(wire, random_)
        return wire.mend

    return begin


def _other(world: World, _: random.Random, __: float) -> End:
    member = world.others("another")
    member.launch()

    def end() -> None:
        if member.process is not None and member.alive():
            member.process.kill()
            member.process.wait(10)

    return end


def _hostile(world: World, _: random.Random, __: float) -> End:
    member = world.others("hostile")
    member.launch()
    world.hostile.append(member)
    return None


def _poison(world: World, random_: random.Random, _: float) -> End:
    """Rows in the log that no door would have written, from a source of which the definitions want to hear."""
    try:
        with psycopg.connect(world.postgres.url, connect_timeout=3) as conn:
            conn.execute("SET lock_timeout = '3s'")
            conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOG_LOCK,))
            for body in random_.sample(_POISON, 3):
                conn.execute(
                    "INSERT INTO event (received_at, occurred_at, source, id, type, body) "
                    "VALUES (clock_timestamp(), clock_timestamp(), 'crm', %s, 'order.created', %s)",
                    (f"poison-{world.poisoned}", body),
                )
                world.poisoned += 1
    except psycopg.Error as error:
        raise Missed from error
    return None


def _paused(process: psutil.Process | None) -> End:
    _send(process, signal.SIGSTOP)

    def go_on() -> None:
        with contextlib.suppress(Missed):
            _send(process, signal.SIGCONT)

    return go_on


def _send(process: psutil.Process | None, how: signal.Signals) -> None:
    try:
        if process is None:
            raise Missed
        process.send_signal(how)
    except psutil.Error as error:
        raise Missed from error


KINDS = (
    Kind("process killed (SIGKILL)", 22, _kill, kills=True),
    Kind("worker of a process killed", 16, _kill_worker, kills=True),
    Kind("process and its workers killed at once", 6, _kill_tree, kills=True),
    Kind("process told to stop (SIGTERM) and started anew", 5, _tell),
    Kind("process frozen (SIGSTOP) and woken", 6, _pause, 0.5, 14),
    Kind("worker frozen and woken", 5, _pause_worker, 0.5, 14),
    Kind("session ended by PostgreSQL", 14, _end_session),
    Kind("backend of PostgreSQL killed: it ends all sessions and recovers", 6, _kill_backend, kills=True),
    Kind("backend of PostgreSQL frozen and woken", 3, _pause_backend, 0.5, 8),
    Kind("PostgreSQL killed whole, started again", 2, _stop(signal.SIGKILL), 0.2, 2, kills=True),
    Kind("PostgreSQL shut down at once, started again", 2, _stop(signal.SIGQUIT), 0.2, 2),
    Kind("PostgreSQL away for seconds", 1, _stop(signal.SIGINT), 4, 9),
    Kind("PostgreSQL frozen and woken", 2, _pause_database, 0.5, 6),
    Kind("disk of PostgreSQL full", 1, _fill, 2, 5),
    Kind("database wire cut", 6, _wire("database", lambda wire, _: wire.cut())),
    Kind("database wire refuses", 2, _wire("database", lambda wire, _: wire.refuse()), 1, 5),
    Kind("database wire stalls", 2, _wire("database", lambda wire, _: wire.hold()), 0.5, 9),
    Kind("database wire is slow", 3, _wire("database", lambda wire, r: wire.slow(r.uniform(0.01, 0.2))), 2, 8),
    Kind("database wire loses what is sent", 2, _wire("database", lambda wire, _: wire.swallow()), 0.5, 6),
    Kind("database wire half closed", 3, _wire("database", lambda wire, r: wire.half_close(towards_target=r.random() < 0.5))),
    Kind("sender's wire cut", 6, _wire("sender", lambda wire, _: wire.cut())),
    Kind("sender's wire refuses", 2, _wire("sender", lambda wire, _: wire.refuse()), 1, 5),
    Kind("sender's wire stalls", 2, _wire("sender", lambda wire, _: wire.hold()), 0.5, 8),
    Kind("sender's wire is slow", 2, _wire("sender", lambda wire, r: wire.slow(r.uniform(0.01, 0.3))), 2, 8),
    Kind("sender's wire loses what is sent", 2, _wire("sender", lambda wire, _: wire.swallow()), 0.5, 5),
    Kind("sender's wire half closed", 3, _wire("sender", lambda wire, r: wire.half_close(towards_target=r.random() < 0.5))),
    Kind("other definitions put in force, and the former again", 1, _other, 8, 12),
    Kind("definitions with faults", 1, _hostile),
    Kind("poisoned rows in the log", 3, _poison),
)  # fmt: skip
