"""Whether whoever asks may do what he asks for, and under which name he does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collector.access.principal import How, acting


class NotPermitted(Exception):
    """Whoever asks may not do this; the message says what it needs."""


def require(scope: str) -> None:
    """Raise NotPermitted where somebody asks who may not; where nobody has to say who he is, everybody may."""
    who = acting.get()
    if who is not None and not who.may(scope):
        raise NotPermitted(f"you may not do this: it needs {scope}")


def spoken_by(said: Mapping[str, Any]) -> dict[str, Any]:
    """What somebody says of an act, under his own name: a person's is known, and a key speaks for whom it names."""
    who = acting.get()
    if who is None or who.how in (How.OPEN, How.TERMINAL):
        return dict(said)
    if who.how is not How.KEY:
        return {**said, "by": who.name}
    by = said.get("by")
    named = isinstance(by, str) and bool(by.strip())
    # Whatever is no name is left for whoever reads the act to refuse.
    return (
        {**said, "by": f"{by} (key {who.name})" if named else f"key {who.name}"} if named or by is None else dict(said)
    )
