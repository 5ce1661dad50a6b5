"""What people call what incidents are about: milestones and objectives have titles beside their names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from alerting.incident import BURNING, Cause
from slo_rules.objective import Objective
from slo_rules.workflow import Workflow


@dataclass(frozen=True, slots=True)
class Titles:
    """The titles of milestones by workflow and name, and those of objectives by name."""

    milestones: Mapping[tuple[str, str], str] = field(default_factory=dict)
    objectives: Mapping[str, str] = field(default_factory=dict)

    def milestone(self, cause: Cause) -> str | None:
        """That of the milestone a cause waits for; None where there is none, or it is not known."""
        return self.milestones.get((cause.workflow or "", cause.waiting_for or ""))

    def objective(self, cause: Cause) -> str | None:
        """That of the objective that burns; None of every other cause."""
        return self.objectives.get(cause.reason or "") if cause.verdict == BURNING else None


def titles_of(workflows: Iterable[Workflow], objectives: Iterable[Objective]) -> Titles:
    """The titles that definitions say."""
    return Titles(
        {(one.name, milestone.name): milestone.title for one in workflows for milestone in one.milestones},
        {one.name: one.title for one in objectives},
    )
