"""Which incident is meant in a test of definitions: by what is said of its cause."""

from __future__ import annotations

from collections.abc import Mapping

from alerting.facts import VERDICTS
from alerting.incident import Cause, Incident
from slo_rules.reading import Reader, suggestion
from slo_rules.workflow import Definitions

CAUSE = ("verdict", "workflow", "waiting_for", "source", "reason")


def read_cause(entry: Reader, definitions: Definitions | None) -> dict[str, str]:
    """What is said of the cause, by its fields. Without definitions no name is looked up."""
    if not entry.mapping(CAUSE, ("verdict",)):
        return {}
    cause = {name: entry.at(name).text() for name in CAUSE if name in entry.value}
    workflow, verdict = cause.get("workflow"), cause.get("verdict", "")
    if verdict and verdict not in VERDICTS:
        entry.at("verdict").fault(f"must be one of {', '.join(VERDICTS)}{suggestion(verdict, VERDICTS)}")
    if workflow and definitions is not None and workflow not in definitions.workflows:
        known = suggestion(workflow, definitions.workflows)
        entry.at("workflow").fault(f"there is no workflow {workflow!r}{known}")
    return cause


def is_meant(incident: Incident, cause: Mapping[str, str]) -> bool:
    """Whether all that is said of a cause is so of this incident; what is not said counts for any."""
    return all(getattr(incident.cause, name) == value for name, value in cause.items())


def words_of_cause(cause: Cause) -> str:
    """`stuck orders accepted sap`."""
    return " ".join(value for name in CAUSE if (value := getattr(cause, name)))
