"""Files that take long come first, so that nobody is left with one of them when the others have nothing to do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

_LONG = ("acceptance", "slow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real processes, then what is slow, then the rest; of these the files of many tests first. A file stays together."""
    ranks: dict[Path, int] = {}
    for item in items:
        rank = next((number for number, name in enumerate(_LONG) if item.get_closest_marker(name)), len(_LONG))
        ranks[item.path] = min(rank, ranks.get(item.path, rank))
    counts = Counter(item.path for item in items)
    items.sort(key=lambda item: (ranks[item.path], -counts[item.path]))
