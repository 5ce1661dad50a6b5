"""Where a target is reached, as it is written and as it is used. Pure.

What is written may refer to the environment as `${NAME}`. The resolved address is never shown, stored or logged.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Address:
    """`url` says where, `secret` proves who sends, `more` is whatever else tells where messages arrive, sorted.

    Nothing of it shows in a repr.
    """

    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    more: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def digest(self) -> str:
        """Tells addresses apart without giving them away."""
        spelled = [self.url, self.secret or "", *(f"{name}={value}" for name, value in self.more)]
        return hashlib.sha256("\x1f".join(spelled).encode()).hexdigest()

    def get(self, name: str) -> str:
        """One of `more`; empty where it is not given."""
        return dict(self.more).get(name, "")

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {"url": self.url, "secret": self.secret, **({"more": dict(self.more)} if self.more else {})}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Address:
        """An address as any version stored it. ValueError where it is none; it says nothing of what is there."""
        more = (document.get("more") or {}) if isinstance(document, Mapping) else None
        texts = [document.get("url"), document.get("secret") or "", *more.values()] if isinstance(more, Mapping) else []
        if not isinstance(more, Mapping) or not texts[0] or not all(isinstance(text, str) for text in texts):
            raise ValueError("what is stored is no address")
        return cls(document["url"], document.get("secret"), tuple(sorted(more.items())))

    def resolved(self, env: Mapping[str, str]) -> Address | None:
        """With every `${NAME}` replaced; None while a variable it refers to is not set."""
        missing: list[str] = []

        def found(text: str) -> str:
            said, absent = resolve(text, env)
            missing.extend(absent)
            return said

        more = tuple((name, found(value)) for name, value in self.more)
        resolved = Address(found(self.url), found(self.secret) if self.secret else None, more)
        return None if missing else resolved


NOWHERE = Address("")
"""Of a target whose address cannot be read any more, and that is not in the files."""


def resolve(text: str, env: Mapping[str, str]) -> tuple[str, list[str]]:
    """The text with every `${NAME}` replaced, and the names that are unset or empty."""
    missing = [name for name in REFERENCE.findall(text) if not env.get(name)]
    return REFERENCE.sub(lambda found: env.get(found[1], ""), text), missing
