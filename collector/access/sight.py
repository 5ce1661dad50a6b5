"""Which workflows somebody may see: those of some domains, and some by name. Pure.

It is spelled `domain:orders` and `workflow:order-to-cash`, in keys, users, sessions and settings alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

DOMAIN, WORKFLOW = "domain", "workflow"
EVERYTHING = "all"
LONGEST = 200
MOST = 200


@dataclass(frozen=True, slots=True)
class Sight:
    """The workflows of these domains and those of these names; of nothing else somebody learns that it is there."""

    domains: frozenset[str] = frozenset()
    workflows: frozenset[str] = frozenset()

    @property
    def words(self) -> list[str]:
        """As it is kept and shown."""
        return [f"{DOMAIN}:{one}" for one in sorted(self.domains)] + [
            f"{WORKFLOW}:{one}" for one in sorted(self.workflows)
        ]

    def sees(self, workflow: str, domain: str) -> bool:
        """Whether a workflow of a domain is within it."""
        return workflow in self.workflows or domain in self.domains


NOTHING = Sight()


def sight_of(words: Iterable[str] | None) -> Sight | None:
    """The sight that words spell; None, for which everything is seen, of None alone."""
    if words is None:
        return None
    found: dict[str, set[str]] = {DOMAIN: set(), WORKFLOW: set()}
    for word in words:
        kind, _, name = word.partition(":")
        # What is not understood shows nothing.
        found.get(kind, set()).add(name)
    return Sight(frozenset(found[DOMAIN]), frozenset(found[WORKFLOW]))


def words_of(domains: Iterable[str], workflows: Iterable[str], faults: list[str]) -> list[str] | None:
    """The words for what somebody names, None where he names nothing; what cannot be one is a fault."""
    named = [*((DOMAIN, one) for one in domains), *((WORKFLOW, one) for one in workflows)]
    for kind, one in named:
        if not one.strip() or not one.isprintable() or len(one) > LONGEST:
            faults.append(f"--{kind}: {one[:80]!r} cannot be the name of a {kind}")
    if len(named) > MOST:
        faults.append(f"--{DOMAIN}, --{WORKFLOW}: at most {MOST} can be named")
    return sorted({f"{kind}:{one}" for kind, one in named}) if named else None
