"""How a replica stands beside its primary: whether it may be read, and as of when its answers hold. Pure.

A replica holds everything that had been committed at an instant once it has replayed what its primary had written by
then. So the primary is asked first how far it has written and what time it is, and then the replica how far it has
replayed. One that has replayed that much is up to date however long ago the last commit was; of another the last
commit that it has replayed says as of when it is. All instants are of the primary's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Identity:
    """Which database it is: the cluster, the database in it, and the version of its schema."""

    cluster: int
    database: int
    schema: str


@dataclass(frozen=True, slots=True)
class Written:
    """What the primary had written (bytes of its log) at an instant."""

    at: datetime
    written: int
    identity: Identity


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a server has replayed; `last_commit` and `swept_to` are None where there is none yet."""

    standby: bool
    replayed: int | None
    last_commit: datetime | None
    swept_to: datetime | None
    identity: Identity


@dataclass(frozen=True, slots=True)
class Standing:
    """How a replica stood when it was asked, `at` an instant.

    `unfit` says for people why it is not read; None where it is. Then it has everything that was committed by `as_of`,
    and of that the projection had applied and judged everything that had arrived by `swept_to`.
    """

    unfit: str | None
    at: datetime
    as_of: datetime
    swept_to: datetime | None = None

    @property
    def lag(self) -> timedelta:
        """How far it was behind; zero where it was up to date."""
        return self.at - self.as_of


def stand(primary: Written, replayed: Replayed, former: datetime | None, at: datetime) -> Standing:
    """How a replica stands at an instant, by what its primary said last and what it has replayed.

    `former` is the instant as of which it stood before, if it is known to have gone on from there.
    """
    unfit = _unfit(primary.identity, replayed)
    if unfit is not None:
        return Standing(unfit, at, at)
    assert replayed.replayed is not None
    has_all = replayed.replayed >= primary.written
    known = [one for one in (primary.at if has_all else None, replayed.last_commit, former) if one is not None]
    if not known:
        return Standing("it has not replayed any commit yet", at, at)
    return Standing(None, at, min(at, max(known)), replayed.swept_to)


def _unfit(primary: Identity, replayed: Replayed) -> str | None:
    found = replayed.identity
    if (found.cluster, found.database) != (primary.cluster, primary.database):
        return "it is no replica of this database"
    if not replayed.standby or replayed.replayed is None:
        return "it is no standby; it may have been promoted"
    if found.schema != primary.schema:
        return f"it has not replayed the change of the schema to version {primary.schema} yet"
    return None
