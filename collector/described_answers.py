"""What the description says of answers that are good: the shapes of `collector/answers/` as JSON Schema."""

from __future__ import annotations

from functools import cache
from inspect import cleandoc
from typing import Any, NamedTuple

import msgspec

from collector.answers import (
    acts,
    differences,
    doors,
    foresight,
    health,
    incidents,
    instance,
    instances,
    objectives,
    overview,
    sources,
    workflows,
)
from collector.answers.values import REF, Answers, ref_to

Row = dict[str, Any]

_MODULES = (
    acts, differences, foresight, health, incidents, instance, instances, objectives, overview, sources, workflows,
)  # fmt: skip
ANSWERS: Answers = {route: shape for one in _MODULES for route, shape in one.ANSWERS.items()}


class Answer(NamedTuple):
    """What a route answers: in words, and the schema of its JSON."""

    description: str
    schema: Row


def answer_of(method: str, path: str) -> Answer | None:
    """What a route answers when all is well; None where that is no JSON."""
    shape = ANSWERS.get((method, path))
    if shape is None:
        return None
    return Answer(cleandoc(shape.__doc__ or "").partition("\n")[0], ref_to(shape.__name__))


@cache
def shapes() -> Row:
    """All shapes by their names. They say what is there; what a newer release adds, a client passes over."""
    besides = (*doors.BESIDES, *objectives.BESIDES)
    _, found = msgspec.json.schema_components([*dict.fromkeys((*ANSWERS.values(), *besides))], ref_template=REF)
    for shape in found.values():
        if "enum" in shape:
            # What an enumeration says of itself is for whoever reads the code.
            shape.pop("description", None)
        elif "description" in shape:
            shape["description"] = cleandoc(shape["description"])
    return found
