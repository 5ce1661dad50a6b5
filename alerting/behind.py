"""What keeps things from being judged as a cause of its own: Milepost behind its log, and sources that send their past.

While they are it is not known what is stuck, what has resolved and what burns, so that nothing is told of that. What
lasts for `Policy.behind_wait` is told itself: being behind is no way to be silent for ever. Pure; instants are micros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alerting.incident import BEHIND, REPLAYING, Cause, Incident, Population

PROJECTION = Cause(None, "blind", reason=BEHIND)
"""Milepost itself has not applied what it has received."""


def of_projection(events: int, judged_to: int | None, open_: Incident | None, now: int) -> Population:
    """What waits while Milepost is behind: so many events, since when everything was judged for the last time.

    While everything is judged anew that is not known: then it is since the incident opened, or now.
    """
    since = judged_to if judged_to is not None else open_.population.oldest_since if open_ else now
    # Where nothing at all is judged there may be no event that waits.
    return Population(count=max(1, events), oldest_since=since, entity="event")


def replay_of(source: str) -> Cause:
    """A source that sends its past."""
    return Cause(None, "blind", source=source, reason=REPLAYING)


def of_sources(
    withheld: Mapping[Cause, Sequence[Population]], open_: Mapping[Cause, Incident], now: int
) -> dict[Cause, Population]:
    """What sources hold up that send their past and hold up no instances: the objectives that are not judged."""
    return {
        cause: Population(
            count=len(held),
            oldest_since=open_[cause].population.oldest_since if cause in open_ else now,
            owner=held[0].owner,
            domain=held[0].domain,
            entity="objective",
            owners=tuple(sorted({name for one in held for name in one.owners})),
            domains=tuple(sorted({name for one in held for name in one.domains})),
            workflows=tuple(sorted({name for one in held for name in one.workflows})),
        )
        for cause, held in withheld.items()
    }
