"""Routes out of definition files: alerting says what they mean, the definitions say where they stand."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from alerting.faults import RouteFault
from alerting.route import targets_by_name
from alerting.setup import Setup, read_setup
from alerting.targets import Target
from alerting.teams import calendar_files
from slo_rules.faults import DefinitionError, Fault
from slo_rules.workflow import Definitions

MOST_CALENDAR_BYTES = 2 * 2**20


def read_targets(definitions: Definitions, environment: Mapping[str, str]) -> dict[str, Target]:
    """Every target by its name, also those that no route names. DefinitionError as `read_alerting`."""
    setup = read_alerting(definitions, environment)
    return {**setup.targets, **targets_by_name(setup.routes)}


def read_alerting(definitions: Definitions, environment: Mapping[str, str]) -> Setup:
    """Who is told what, with `${NAME}` resolved from the environment. DefinitionError with all faults of all documents.

    Calendars that teams refer to are read, by paths relative to the file that names them.
    """
    faults: list[Fault] = []

    def report(document: Mapping[str, Any], found: Iterable[RouteFault]) -> None:
        faults.extend(_placed(document["metadata"]["name"], document, found))

    setup = read_setup(definitions, environment, _calendar_texts(definitions), report)
    if faults:
        raise DefinitionError(faults)
    return setup


def _calendar_texts(definitions: Definitions) -> dict[str, str]:
    texts: dict[str, str] = {}
    for document in definitions.teams.values():
        for name in calendar_files(document):
            path = Path(document["file"]).parent / name
            # What cannot be read is missing from the texts, and said so where it is named.
            with contextlib.suppress(OSError, UnicodeDecodeError, ValueError):
                if path.stat().st_size <= MOST_CALENDAR_BYTES:
                    texts[name] = path.read_text("utf-8")
    return texts


def _placed(name: str, document: Mapping[str, Any], found: Iterable[RouteFault]) -> list[Fault]:
    lines, line = document["lines"], document["line"]
    return [Fault(document["file"], lines.get(one.path, line), one.path, f"{name}: {one.message}") for one in found]
