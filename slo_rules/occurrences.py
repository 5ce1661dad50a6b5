"""How often something occurred in the last run of an instance, and how often it must."""

from __future__ import annotations

from slo_rules.progress import Occurrence, Progress
from slo_rules.workflow import Milestone

MOST_NEEDED = 1000


def needed(milestone: Milestone, progress: Progress) -> int:
    """How many occurrences reach the milestone, or parts; 1 while the attribute that says it is not known."""
    if isinstance(milestone.count, int):
        return milestone.count
    value = progress.attributes.get(milestone.count)
    try:
        count = int(str(value))
    except ValueError:
        return 1
    return max(1, min(MOST_NEEDED, count))


def occurred(milestone: str, progress: Progress) -> list[Occurrence]:
    """The occurrences of the last run in order, each event once."""
    since = progress.restarted
    found: dict[bytes, Occurrence] = {}
    for one in progress.occurrences.get(milestone, ()):
        if since is None or one.at >= since.at:
            found.setdefault(one.key, one)
    return list(found.values())
