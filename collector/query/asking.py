"""Who asks, and with whom he shares the answer: what holds for every question, whatever is asked."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from copy import copy
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import msgspec

from collector.access.principal import acting
from collector.access.raw_reads import RawReads, may_read_raw, sees_raw_unasked
from collector.access.sight import Sight
from collector.catalogue import Catalogue
from collector.query.definition_tests import DefinitionTests
from collector.query.flow import Flows
from collector.query.outlook import Outlook
from collector.query.reader import Reader, Row
from collector.query.replica_reader import answered_as_of
from collector.query.shared_answers import SharedAnswers
from collector.query.sight import NarrowReader, narrowed, seen_of

MOST_SIGHTS = 100
"""Sights of which answers are kept; of more, those that asked last."""
A = TypeVar("A", bound="Asking")
P = ParamSpec("P")
T = TypeVar("T")


def question(
    ask: Callable[Concatenate[A, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[A, P], Coroutine[Any, Any, T]]:
    """A question: all that it reads comes from one server, and is in sight of whoever asks.

    Where answers are shared, one is for all who ask and may see the same.
    """

    @wraps(ask)
    async def asked(query: A, /, *args: P.args, **kwargs: P.kwargs) -> T:
        for_asker = query.for_asker()

        async def make() -> tuple[T, datetime | None]:
            return await for_asker.reader.answer(lambda: ask(for_asker, *args, **kwargs)), answered_as_of.get()

        # Each reading of what was sent as it came is recorded, and so none is shared.
        if query.sharing is None or kwargs.get("raw"):
            return (await make())[0]
        said = msgspec.json.encode((query.version, ask.__name__, args, sorted(kwargs.items())))
        found, as_of = await query.sharing.get((_rights(), said), make)
        answered_as_of.set(as_of)
        return found

    return asked


def _rights() -> Hashable:
    """What whoever asks may see."""
    who = acting.get()
    return None if who is None else who.sight, sees_raw_unasked(), may_read_raw()


class Asking:
    """Whom questions are put to: one database with the definitions of one catalogue."""

    def __init__(
        self,
        reader: Reader,
        catalogue: Catalogue,
        raw_reads: RawReads | None = None,
        tests: DefinitionTests | None = None,
    ) -> None:
        """Without `raw_reads`, which records it, nobody who has to say who he is reads what was sent as it came.

        `tests` runs those of the definitions; None where there are none.
        """
        self.reader = reader
        self.sharing: SharedAnswers | None = None
        self.version = ""
        self._catalogue = catalogue
        self._raw_reads = raw_reads
        self._tests = tests
        self.comparing = asyncio.Lock()
        self.listing = asyncio.Lock()
        self._outlook = Outlook(reader, catalogue)
        self._flows = Flows(reader, catalogue)
        self._narrow: OrderedDict[Sight, Self] = OrderedDict()
        self.is_narrow = False

    def for_asker(self) -> Self:
        """What answers whoever asks: this, or what has nothing but what is in his sight.

        Answers that are kept for a while are kept with it, so that nobody is given those of another sight.
        """
        who = acting.get()
        if self.is_narrow or who is None or who.sight is None:
            return self
        found = self._narrow.get(who.sight)
        if found is None:
            seen = seen_of(self._catalogue, who.sight)
            found = type(self)(
                NarrowReader(self.reader, seen), narrowed(self._catalogue, seen), self._raw_reads, self._tests
            )
            # What is to be done one after the other, whoever asks, stays so.
            found.is_narrow, found.comparing, found.listing = True, self.comparing, self.listing
            self._narrow[who.sight] = found
            while len(self._narrow) > MOST_SIGHTS:
                self._narrow.popitem(last=False)
        self._narrow.move_to_end(who.sight)
        return found

    def shared(self) -> Self:
        """The same questions for pages that ask again and again: each is put to the database once per refresh."""
        query = copy(self)
        query.sharing = SharedAnswers(lambda: self.reader.writes)
        return query

    def of_version(self, version: str) -> Self:
        """The same for whoever has seen something change to a version: no answer is from before somebody has."""
        query = copy(self)
        query.version = version
        return query

    def replica(self) -> Row | None:
        """Whether the replica is read and else why not, as of when, and its lag; None where no replica is read."""
        return self.reader.replica()
