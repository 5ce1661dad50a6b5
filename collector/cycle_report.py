"""What a projector tells of its work."""

from __future__ import annotations

import msgspec

from collector.batches import Batch
from collector.changes import Prepared


class CycleReport(msgspec.Struct):
    """What one cycle did, for the log and the metrics; seconds are None for what was not done.

    What is being written when a cycle ends is counted by the next.
    """

    applied: int = 0
    caught_up: bool = False
    duplicates: int = 0
    unmatched: int = 0
    failures: int = 0
    dead_letters: dict[str, int] = {}
    breaches: dict[str, int] = {}
    batch_seconds: float | None = None
    sweep_seconds: float | None = None

    @property
    def did_something(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.applied or self.failures or self.breaches)

    def count(self, batch: Batch) -> None:
        """A batch was committed."""
        self.applied += batch.count
        self.duplicates += len(batch.duplicates)
        for letter in batch.dead_letters:
            self.dead_letters[letter["reason"]] = self.dead_letters.get(letter["reason"], 0) + 1

    def count_breaches(self, prepared: Prepared) -> None:
        """These changes were written."""
        for workflow, count in prepared.breaches.items():
            self.breaches[workflow] = self.breaches.get(workflow, 0) + count
