"""Names for a draft, made of what a log calls things."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from slo_rules.path_survey import is_path
from slo_rules.workflow import KeyRule

LONGEST_NAME = 48
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_GAP = re.compile(r"[^a-z0-9]+")
_ID = re.compile(r"_(?:id|uuid|guid|key|no|nr|number)$")


def new_name(text: str, taken: set[str], otherwise: str) -> str:
    """A name for what the text says, not among those taken, and taken from now on; `otherwise` where it has no letters.

    Of a long text the last words are kept: in `com.example.v1.Order.Created` they say the most.
    """
    plain = unicodedata.normalize("NFKD", _HUMP.sub("_", text)).encode("ascii", "ignore").decode().lower()
    words = _GAP.sub("_", plain).strip("_").split("_")
    while len(words) > 1 and len("_".join(words)) > LONGEST_NAME:
        words = words[1:]
    stem = "_".join(words)[:LONGEST_NAME].strip("_") or otherwise
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}_{number}"
    taken.add(name)
    return name


def key_rules(keys: Sequence[str]) -> tuple[KeyRule, ...]:
    """Joining keys by their paths; paths with a comma between them are one key, of which the first present counts.

    ValueError names all that are not paths.
    """
    faults = []
    rules = []
    taken: set[str] = set()
    for key in keys:
        paths = tuple(path.strip() for path in key.split(","))
        faults += [
            f"{path[:80]!r} is not a path: write it like data.order_id or subject"
            for path in paths
            if not is_path(path)
        ]
        rules.append(KeyRule(key_name(paths[0], taken), paths))
    if faults:
        raise ValueError("; ".join(faults))
    return tuple(rules)


def key_name(path: str, taken: set[str]) -> str:
    """The name of a key that stands at this path: `order` for `data.order_id`."""
    whole = new_name(path.rpartition(".")[2], set(), "key")
    return new_name(_ID.sub("", whole), taken, "key")
