"""What the figures of an installation mean. Pure: whoever asks for them stands elsewhere."""

from __future__ import annotations

import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from collector.spool.segments import LEFT_FREE
from milepost.database_views import size
from milepost.doctor.finding import Finding, fail, ok, unknown, warn
from slo_rules.durations import MINUTE, SECOND
from slo_rules.rounding import roughly

OLDEST_SERVER = 15
SKEW_WARNED = SECOND
SKEW_FAILED = 30 * SECOND
LAG_WARNED = MINUTE
LAG_FAILED = 15 * MINUTE
REPLICA_LAG_WARNED = 5 * SECOND
SILENT = MINUTE
"""A receiver tells every other second; who has told nothing for so long is not there."""
BUFFER_WARNED, BUFFER_FAILED = 0.5, 0.95
"""Shares of the buffer that are taken."""
LEAST_FREE_BYTES = 10**9
LEAST_FREE_SHARE = 0.1
LEAST_OF_DATABASE = 0.2
"""What is free should hold a fifth of the database: a vacuum, an index made anew, a backlog."""
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk at an instant, in bytes; `database` is the size of what lies on it, None where that is not known."""

    path: str
    total: int
    free: int
    database: int | None = None


@dataclass(frozen=True, slots=True)
class Buffer:
    """The folder in which receivers keep what arrives while the database is away; `oldest` is an age in micros.

    `beside` counts the files of what the database would not have, and of what is damaged.
    """

    path: str
    writable: bool
    bytes: int
    limit: int
    free: int
    oldest: int | None = None
    beside: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """A partition: the offsets that it has, from `low` on and before `high`; those before `next` are consumed.

    `next` and `moved` (micros) are None where nothing was ever consumed of it.
    """

    topic: str
    number: int
    low: int
    high: int
    next: int | None = None
    moved: int | None = None

    @property
    def waiting(self) -> int:
        """How many records wait."""
        return max(0, self.high - max(self.low, self.next or 0))


@dataclass(frozen=True, slots=True)
class Receiver:
    """One that keeps what arrives on disk: how long ago it told of it last, and for how long something waits (micros).

    With `waits` None it ended without a word, and nobody knows whether anything lies there.
    """

    name: str
    told: int
    waits: int | None


@dataclass(frozen=True, slots=True)
class Rights:
    """What the user of the database may not do, and what of that it should be able to do."""

    user: str
    superuser: bool
    unreadable: tuple[str, ...]
    unwritable: tuple[str, ...]
    not_owned: tuple[str, ...]
    creates: bool
    embedded: bool


def server_version(number: int, spelled: str) -> Finding:
    """`number` as PostgreSQL counts: 150004 is 15.4."""
    if number // 10_000 < OLDEST_SERVER:
        return fail("database", f"PostgreSQL {spelled}", f"Milepost needs PostgreSQL {OLDEST_SERVER} or newer")
    return ok("database", f"PostgreSQL {spelled} answers")


def extensions(installed: Mapping[str, str], available: Mapping[str, str], *, preloaded: bool) -> Finding:
    """Extensions by name with their versions; `preloaded`: the server has loaded TimescaleDB at its start."""
    have, offered = installed.get("timescaledb"), available.get("timescaledb")
    if have is None:
        note = "; the server offers TimescaleDB, which counts only in a new database" if offered and preloaded else ""
        return ok("extensions", f"no TimescaleDB: the log lies in native partitions{note}")
    if not preloaded:
        advice = "put timescaledb into shared_preload_libraries and restart the server"
        return fail("extensions", f"TimescaleDB {have} is in the database, and the server does not load it", advice)
    if offered is not None and offered != have:
        advice = "run ALTER EXTENSION timescaledb UPDATE as the first statement of a session"
        return warn("extensions", f"TimescaleDB {have}, and the server has {offered}", advice)
    return ok("extensions", f"TimescaleDB {have}")


def migrations(found: Collection[str], head: str, known: Collection[str]) -> Finding:
    """The versions that the database says it is of, against those of this release."""
    check = "migrations"
    if not found:
        return fail(check, "there is no schema of Milepost's in this database", "run milepost db upgrade")
    at = ", ".join(sorted(found))
    if set(found) == {head}:
        return ok(check, f"the schema is of version {head}, that of this release")
    if set(found) <= set(known):
        return fail(check, f"the schema is of version {at}, and this release needs {head}", "run milepost db upgrade")
    return fail(
        check,
        f"the schema is of version {at}, which this release ({head}) does not know",
        "a newer release has been here: use that one, or restore the backup from before it",
    )


def clock_skew(asked_at: int, database_at: int, answered_at: int) -> Finding:
    """How far the database's clock is from ours, all in micros; it answered at some time between asking and answer."""
    check = "clock"
    # What the way there and back may explain is held against nobody.
    ahead, behind = database_at - answered_at, asked_at - database_at
    skew = max(ahead, behind, 0)
    if skew <= SKEW_WARNED:
        return ok(check, "this machine and the database agree to within a second")
    where = "ahead of" if ahead > 0 else "behind"
    said = f"the database's clock is at least {roughly(skew)} {where} that of this machine"
    advice = "let both keep time with NTP: what is late is judged by these clocks"
    return (fail if skew > SKEW_FAILED else warn)(check, said, advice)


def disk(found: Disk) -> Finding:
    """Whether there is room. Less than a GB, or than a fiftieth of the disk, fails."""
    check = "disk"
    advice = "make room, keep less (retention_events, retention_spans), or move the data"
    said = f"{size(found.free)} of {size(found.total)} free at {found.path}"
    if found.database is not None:
        said += f", the database has {size(found.database)}"
    if found.total <= 0:
        return unknown(check, f"the disk of {found.path} does not say how large it is")
    if found.free < LEAST_FREE_BYTES or found.free / found.total < LEAST_FREE_SHARE / 5:
        return fail(check, said, advice)
    scarce = found.database is not None and found.free < LEAST_OF_DATABASE * found.database
    if scarce or found.free / found.total < LEAST_FREE_SHARE:
        return warn(check, said, advice)
    return ok(check, said)


def buffer(found: Buffer) -> list[Finding]:
    """Whether receivers can keep what arrives, and what they have kept."""
    check = "buffer"
    lost = "without it what arrives while the database is away is answered 503"
    findings = []
    if not found.writable:
        findings.append(fail(check, f"{found.path} cannot be written", f"give it to the user that serves: {lost}"))
    share = found.bytes / found.limit
    said = f"{size(found.bytes)} of {size(found.limit)} at {found.path}"
    if found.oldest is not None:
        said += f", the oldest for {roughly(found.oldest)}"
    room = min(found.limit - found.bytes, found.free - LEFT_FREE)
    advice = "is the database there? What is kept is written by the process that has this folder: does it run?"
    if share >= BUFFER_FAILED or room <= 0:
        scarce = "" if share >= BUFFER_FAILED else f", and {size(found.free)} free on the disk"
        findings.append(fail(check, said + scarce, "it is full: senders are answered 503 until there is room"))
    elif found.oldest is not None and found.oldest > LAG_FAILED:
        findings.append(fail(check, said, advice))
    elif share >= BUFFER_WARNED or (found.oldest is not None and found.oldest > LAG_WARNED):
        findings.append(warn(check, said, advice))
    if found.beside:
        what = f"{found.beside} file{'s' if found.beside != 1 else ''} in {found.path} with what could not be written"
        findings.append(warn(check, what, "see spool_record_set_aside and spool_damaged in the log, and keep them"))
    return findings or [ok(check, said)]


def receivers(found: Sequence[Receiver]) -> list[Finding]:
    """What receivers told the database that they keep on their disks; of one that is silent nothing is ever written."""
    check = "receivers"
    again = "start it again with the same spool_dir, or copy that to where another is started with it"
    findings = []
    for one in found:
        silent = f"told of it last {roughly(one.told)} ago"
        if one.told <= SILENT and one.waits is None:
            continue
        if one.waits is None:
            said = f"{one.name} ended without a word {roughly(one.told)} ago: whether it kept anything is not known"
            findings.append(warn(check, said, again))
        elif one.told > SILENT:
            said = f"{one.name} keeps what has waited for {roughly(one.waits)}, and {silent}"
            findings.append(fail(check, said, again))
        elif one.waits > LAG_WARNED:
            said = f"{one.name} keeps what has waited for {roughly(one.waits)}, and is being written"
            findings.append(warn(check, said, "where that does not become less: spool_waits in its log says why"))
    return findings or [ok(check, "none keeps anything on its disk")]


def rights(found: Rights) -> Finding:
    """What the database's user may do."""
    check = "rights"
    lacking = [
        f"may not {what} {named(tables)}"
        for what, tables in (("read", found.unreadable), ("write", found.unwritable))
        if tables
    ]
    if lacking:
        return fail(check, f"{found.user} {' and '.join(lacking)}", "GRANT it what it lacks, or use the owner")
    lacking = [f"does not own {named(found.not_owned)}"] if found.not_owned else []
    lacking += [] if found.creates else ["may not create tables in this schema"]
    if lacking:
        advice = "schema changes and new weeks of the log will fail: give it the tables, and CREATE on the schema"
        return fail(check, f"{found.user} {' and '.join(lacking)}", advice)
    if found.superuser and not found.embedded:
        advice = "a user of its own that owns the database is enough"
        return warn(check, f"{found.user} is a superuser, which is more than is needed", advice)
    return ok(check, f"{found.user} may do what is needed")


def file_mode(path: str, mode: int) -> Finding | None:
    """Whether others can read or write a file with secrets, by its mode; None where they cannot."""
    check = "secrets"
    if mode & stat.S_IWOTH:
        return fail(check, f"anybody on this machine can write {path}, which holds secrets", f"chmod o-rw {path}")
    if mode & stat.S_IROTH:
        return warn(check, f"anybody on this machine can read {path}, which holds secrets", f"chmod o-r {path}")
    return None


def projection_lag(waiting: int, oldest: int | None) -> Finding:
    """How many events wait to be applied, and how long the oldest has waited (micros)."""
    check = "projection"
    if not waiting or oldest is None:
        return ok(check, "every event is applied")
    said = f"{waiting:,} events wait to be applied, the oldest for {roughly(oldest)}"
    advice = (
        "does a process with the role projector run? What does milepost_projection_lag_seconds do, and its log say?"
    )
    if oldest > LAG_FAILED:
        return fail(check, said, advice)
    return warn(check, said, advice) if oldest > LAG_WARNED else ok(check, said)


def dead_letters(open_by_source: Mapping[str, int]) -> Finding:
    """How many dead letters nobody has settled."""
    check = "dead letters"
    total = sum(open_by_source.values())
    if not total:
        return ok(check, "none waits")
    most = sorted(open_by_source, key=lambda name: (-open_by_source[name], name))
    said = f"{total:,} wait{'s' if total == 1 else ''}, from {named(most)}"
    return warn(check, said, "milepost dead-letters list says why; mend that, then replay or discard them")


def silent_sources(silent: Sequence[str], known: int) -> Finding:
    """The sources of which something was expected that has not come, of how many."""
    check = "sources"
    if silent:
        said = f"{len(silent)} of {known} silent: {named(silent)}"
        return warn(check, said, "what waits for them is blind: look at what sends there, and at what it is answered")
    return ok(check, f"none of {known} is silent" if known else "there is none yet")


def limited(requests: Mapping[tuple[str, str], int]) -> Finding:
    """How many requests of each key and source were refused within the last hour because it sent too much."""
    check = "limits"
    if not requests:
        return ok(check, "within the last hour nobody sent more than he may")
    most = sorted(requests, key=lambda name: (-requests[name], name))
    said = named([f"{by} {name} ({requests[by, name]:,} requests)" for by, name in most])
    advice = (
        "what is sent again is not lost: look at what sends so much, or allow more (milepost keys limit, source_rates)"
    )
    return warn(check, f"limited within the last hour: {said}", advice)


def kafka_lag(group: str, parts: Sequence[Part], now: int) -> list[Finding]:
    """What waits in the partitions of the topics that are consumed, and since when that has not become less."""
    check = "kafka lag"
    findings = []
    lost = [one for one in parts if one.next is not None and one.next < one.low]
    if lost:
        gone = sum(one.low - (one.next or 0) for one in lost)
        said = f"{gone:,} records of {named(_places(lost))} were gone before {group} consumed them"
        findings.append(fail(check, said, "they are lost here: let Kafka keep records for longer, or consume sooner"))
    behind = [one for one in parts if one.next is not None and one.next > one.high]
    if behind:
        said = f"{named(_places(behind))}: {group} is beyond the end, as if the topic had been made anew"
        findings.append(warn(check, said, "a consumer reads it from its beginning: kafka_topic_is_another in its log"))
    waiting = [one for one in parts if one.waiting]
    total = sum(one.waiting for one in waiting)
    if not waiting:
        return findings or [ok(check, f"{group} has consumed everything")]
    untouched = [one for one in waiting if one.moved is None]
    still = max((now - one.moved for one in waiting if one.moved is not None), default=0)
    said = f"{total:,} records wait for {group} in {named(_places(waiting))}"
    advice = "does a process with the role consumer run, with this group? What does its log say, and /readyz?"
    if untouched:
        findings.append(warn(check, f"{said}; of {named(_places(untouched))} none was ever consumed", advice))
    elif still > LAG_WARNED:
        said = f"{said}, and in one of them none was consumed for {roughly(still)}"
        findings.append((fail if still > LAG_FAILED else warn)(check, said, advice))
    elif not findings:
        findings.append(ok(check, f"{said}, which moves on"))
    return findings


def _places(parts: Sequence[Part]) -> list[str]:
    return [f"{one.topic}/{one.number}" for one in sorted(parts, key=lambda one: (-one.waiting, one.topic, one.number))]


def exposure(*, auth: bool, insecure: bool, loopback: bool, behind: str | None) -> Finding:
    """Who can come in without saying who he is; `behind` is the public URL."""
    check = "login"
    advice = "turn it on with --auth on (docs/security.md)"
    if auth:
        return ok(check, "people log in and systems bring keys")
    if not loopback and not insecure:
        return fail(check, "auth is off and the address is not the loopback: milepost serve refuses to start", advice)
    if not loopback:
        return warn(check, "open without login (--insecure): whoever reaches it reads and acts", advice)
    if behind:
        return warn(check, f"open without login: whoever comes by {behind} reads and acts as nobody", advice)
    return ok(check, "open without login, to this machine only")


def replica(*, recovering: bool, lag: int | None) -> Finding:
    """A server that is read; `lag` in micros is how old what it replayed last is, None where it has all there is."""
    check = "replica"
    if not recovering:
        return fail(check, "read_database_url is no standby: it is not read", "name a standby, or leave it out")
    if lag is not None and lag > REPLICA_LAG_WARNED:
        return warn(check, f"it is {roughly(lag)} behind", "look at the replication: pages show what was then")
    return ok(check, "it replays what the primary writes")


def named(names: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
