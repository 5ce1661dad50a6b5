"""What was known of sources when an event of the batch arrived that is being applied.

Events are judged when their batch is prepared (collector/applying.py), by the watermarks as of their place in the log.
Nearly always nobody asks: watermarks matter only where something is overdue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from collector.arrivals import Arrivals
from slo_rules.judgement import Watermark


class Hindsight(Mapping[str, Watermark]):
    """The watermarks as of the event `seq` of the batch that is being applied."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self.seq = 0

    def get(self, source: str, default: Any = None) -> Any:
        """The watermark of a source; not through what raises KeyError, for most sources have none."""
        mark = self._arrivals.mark_as_of(source, self.seq)
        return default if mark is None else mark

    def __getitem__(self, source: str) -> Watermark:
        mark = self._arrivals.mark_as_of(source, self.seq)
        if mark is None:
            raise KeyError(source)
        return mark

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrivals.marks)

    def __len__(self) -> int:
        return len(self._arrivals.marks)
