"""Which shared views of the worklist somebody is shown who may not see every workflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from collector.access.principal import acting
from collector.query.sight import Seen


def view_in_sight(view: Mapping[str, Any], seen: Seen | None) -> bool:
    """Whether a view is the asker's own, or says itself that it is of workflows or domains in sight.

    Any other may name a customer or a key of what is not.
    """
    who = acting.get()
    if seen is None or (who is not None and view["by"] == who.name):
        return True
    said = parse_qs(view["query"])
    workflows, domains = set(said.get("workflow", ())), set(said.get("domain", ()))
    return bool(workflows or domains) and workflows <= set(seen.workflows) and domains <= seen.domains
