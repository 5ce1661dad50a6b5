"""When the sources could not be seen: what a whole history says of them, for judging at any instant of it. Pure.

A projector moves one watermark for each source as time goes on. Whoever judges one instance after another over a whole
history needs them at any instant in any order. What a verdict depends on is only whether a source was silent; so the
silences are kept, and not the arrivals: where a source was not silent, one that has just been heard stands for it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping

from slo_rules.expectation import Expectation
from slo_rules.judgement import Marks, Watermark
from slo_rules.workflow import Source

_FOR_EVER = 2**62
_NOTHING_EXPECTED: Marks = {}


class _Heard:
    """The silences of one source or of one type: when it was last heard before each, and when it was heard again."""

    def __init__(self, expects: Expectation, began_at: int) -> None:
        self.expects = expects
        self.last = began_at
        self.heard = False
        self.from_: list[int] = []
        self.until: list[int] = []
        self.unheard = False
        """Whether the first silence is that of one that was never heard before."""

    def hear(self, at: int) -> None:
        if not self.heard or at - self.last >= self.expects.patience:
            self._close(at)
        self.last, self.heard = at, True

    def _close(self, at: int) -> None:
        due = self.expects.due(self.last)
        if due is not None and due < at:
            self.unheard = self.unheard or not self.heard
            self.from_.append(self.last)
            self.until.append(at)

    def end(self) -> None:
        """Nothing more is heard."""
        self._close(_FOR_EVER)

    def mark(self, at: int) -> Watermark:
        place = bisect_right(self.from_, at) - 1
        if place < 0 or at >= self.until[place]:
            return Watermark(at, at, self.expects)
        last = self.from_[place]
        return Watermark(last, last, self.expects, heard=place > 0 or not self.unheard)

    def ends_after(self, at: int) -> int | None:
        place = bisect_right(self.from_, at) - 1
        if place < 0 or at >= self.until[place] or self.until[place] == _FOR_EVER:
            return None
        return self.until[place]


class Silences:
    """The silences in a history, as they are known now, where every event counts as heard when it occurred.

    `arrivals` are `(source, type, at)` (micros) in the order of time; those of sources of which nothing is expected
    may be left out. Something is expected from `began_at` on, when the first event of any source occurred.
    """

    def __init__(self, sources: Iterable[Source], arrivals: Iterable[tuple[str, str, int]], began_at: int) -> None:
        self._sources: dict[str, _Heard] = {}
        self._types: dict[str, dict[str, _Heard]] = {}
        for source in sources:
            if source.expects is not None:
                self._sources[source.name] = _Heard(source.expects, began_at)
            if source.types:
                self._types[source.name] = {type_: _Heard(one, began_at) for type_, one in source.types.items()}
        for name, type_, at in arrivals:
            heard = self._sources.get(name)
            if heard is not None:
                heard.hear(at)
            heard = self._types[name].get(type_) if name in self._types else None
            if heard is not None:
                heard.hear(at)
        for heard in self._all():
            heard.end()

    def _all(self) -> Iterator[_Heard]:
        yield from self._sources.values()
        for types in self._types.values():
            yield from types.values()

    def marks(self, at: int) -> Marks:
        """What was known of the sources at an instant (micros), as far as a verdict depends on it."""
        return _MarksAt(self, at) if self._sources or self._types else _NOTHING_EXPECTED

    def heard_again(self, at: int) -> int | None:
        """The first end after an instant (micros) of the silences that hold at it; None: of none, or for ever."""
        ends = [end for one in self._all() if (end := one.ends_after(at)) is not None]
        return min(ends) if ends else None

    def mark(self, source: str, at: int) -> Watermark | None:
        """What was known of one source; None where nothing is expected of it."""
        heard, types = self._sources.get(source), self._types.get(source)
        if heard is None and types is None:
            return None
        mark = Watermark(at, at) if heard is None else heard.mark(at)
        if types is not None:
            mark.types = {type_: one.mark(at) for type_, one in types.items()}
        return mark


class _MarksAt(Mapping[str, Watermark]):
    """Most verdicts ask for none."""

    def __init__(self, silences: Silences, at: int) -> None:
        self._silences = silences
        self._at = at

    def __getitem__(self, source: str) -> Watermark:
        mark = self._silences.mark(source, self._at)
        if mark is None:
            raise KeyError(source)
        return mark

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._silences._sources, *self._silences._types]))  # noqa: SLF001 — one of its own

    def __len__(self) -> int:
        return sum(1 for _ in self)
