"""Forward authentication: a proxy in front has found out who somebody is, and says so in headers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from collector.access.principal import Grant, How, PersonRole, Principal
from collector.access.sight import EVERYTHING

LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class GroupRoles:
    """Which groups make somebody what; `default` is what everybody is besides, None nothing.

    `sights` are what groups let somebody see, in the words of sight.py, or `all`. Where there are any, who is in none
    of these groups sees nothing. `raw` are the groups that may read what was sent as it came.
    """

    roles: Mapping[str, PersonRole]
    default: PersonRole | None = None
    sights: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    raw: frozenset[str] = frozenset()

    def role_of(self, groups: Iterable[str]) -> PersonRole | None:
        """The most that somebody in these groups is; None when he may not even look."""
        order = tuple(PersonRole)
        found = [self.roles[group] for group in groups if group in self.roles]
        found += [self.default] if self.default else []
        return max(found, key=order.index, default=None)

    def grant_of(self, groups: Iterable[str]) -> Grant | None:
        """All that somebody in these groups may; None when he may not even look."""
        known = list(groups)
        role = self.role_of(known)
        if role is None:
            return None
        seen = [word for group in known for word in self.sights.get(group, ())]
        everything = not self.sights or EVERYTHING in seen
        return Grant(role, None if everything else tuple(sorted(set(seen))), not self.raw.isdisjoint(known))


@dataclass(frozen=True, slots=True)
class Forwarded:
    """How a proxy says who somebody is: the headers' names in lower case. Groups have commas between them."""

    user_header: str
    groups_header: str
    groups: GroupRoles

    def is_said_once(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether each header is there once at most: of two, one may be the browser's, which the proxy let through."""
        ours = (self.user_header.encode(), self.groups_header.encode())
        found = [name for name, _ in headers if name in ours]
        return len(found) == len(set(found))

    def who(self, headers: Mapping[bytes, bytes]) -> Principal | None:
        """Who somebody is by the word of a proxy that is trusted; None when it says nothing of use."""
        name = headers.get(self.user_header.encode(), b"").decode("utf-8", "replace").strip()
        if not name or not name.isprintable() or len(name) > LONGEST_NAME:
            return None
        said = headers.get(self.groups_header.encode(), b"").decode("utf-8", "replace") if self.groups_header else ""
        grant = self.groups.grant_of(part.strip() for part in said.split(","))
        return None if grant is None else grant.principal(name, How.PROXY)
