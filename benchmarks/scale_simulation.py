"""`python -m benchmarks.scale_simulation`: whether a size of machines carries a day of events, by what was measured.

A day is gone through second by second. Events pass through stages one after the other: receiving, the log, reading it,
projecting. A stage works off what waits before it, as much as its threads and the cores of its machine allow; each
event costs it what `python -m benchmarks --only a,b,f --write` has measured. The stages of one machine share its cores.

It knows nothing of disks that cannot keep up, of networks and of what people ask: leave room for them.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.report import RESULTS

DAY = 86_400
PEAK = 3.0
"""The busiest second of an ordinary day beside the mean of the day."""
BURST, BURST_SECONDS, BURST_AT = 10.0, 60, 14 * 3_600
"""Besides, once a day, so many times the mean for a minute, near the peak."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Microseconds of a processor for one event, by stage, and bytes that it leaves on disk."""

    receiving: float
    logging: float
    reading: float
    projecting: float
    storing: float
    log_bytes: float
    instance_bytes: float


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the way: what an event costs, how many threads work at once, and on which machine."""

    name: str
    micros: float
    threads: int
    machine: str


@dataclass(slots=True)
class Outcome:
    """What came of a stage: the most that waited before it, and the share of the cores' time that it took."""

    most_waiting: float = 0.0
    busy_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a day; `behind` is the longest time in seconds that an event waited from arriving to projected."""

    stages: dict[str, Outcome]
    behind: float
    left: float
    busiest: dict[str, float]


def simulate(stages: Sequence[Stage], cores: dict[str, int], arriving: Callable[[int], float], seconds: int) -> Run:
    """Let `arriving(second)` events come in each of so many seconds; what passes a stage is at the next one at once.

    `busiest` is by machine the highest share of its cores that was in use over a minute; `left` is what has not passed
    all stages at the end. How long an event waited is told for whole seconds, first come first served.
    """
    waiting = [0.0] * len(stages)
    outcomes = {stage.name: Outcome() for stage in stages}
    minute: dict[str, float] = dict.fromkeys(cores, 0.0)
    busiest: dict[str, float] = dict.fromkeys(cores, 0.0)
    came: list[float] = []
    total_came = passed = behind = 0.0
    oldest = 0
    for second in range(seconds):
        events = arriving(second)
        total_came += events
        came.append(total_came)
        free = {machine: float(count) for machine, count in cores.items()}
        flow = events
        for place, share in zip(range(len(stages)), _shares(stages, waiting, events, cores), strict=True):
            stage = stages[place]
            waiting[place] += flow
            able = min(share, free[stage.machine]) * 1e6 / stage.micros
            flow = min(waiting[place], able)
            waiting[place] -= flow
            used = flow * stage.micros / 1e6
            free[stage.machine] -= used
            minute[stage.machine] += used
            outcome = outcomes[stage.name]
            outcome.most_waiting = max(outcome.most_waiting, waiting[place])
            outcome.busy_seconds += used
        passed += flow
        while oldest <= second and came[oldest] <= passed + 1e-6:
            oldest += 1
        behind = max(behind, second + 1 - oldest)
        if (second + 1) % 60 == 0:
            for machine, used in minute.items():
                busiest[machine] = max(busiest[machine], used / 60 / cores[machine])
                minute[machine] = 0.0
    return Run(outcomes, behind, total_came - passed, busiest)


def _shares(stages: Sequence[Stage], waiting: Sequence[float], events: float, cores: dict[str, int]) -> list[float]:
    """How much of the cores each stage gets: what it asks for, or where that is too much for its machine an equal part.

    A stage asks for what waits before it and for what will come to it in this second from those before.
    """
    asked, ahead = [], events
    for stage, here in zip(stages, waiting, strict=True):
        ahead += here
        asked.append(min(float(stage.threads), ahead * stage.micros / 1e6))
    given = [0.0] * len(stages)
    for machine, count in cores.items():
        open_ = sorted((place for place, one in enumerate(stages) if one.machine == machine), key=lambda p: asked[p])
        left = float(count)
        for number, place in enumerate(open_):
            given[place] = min(asked[place], left / (len(open_) - number))
            left -= given[place]
    return given


def day_of(events: float) -> Callable[[int], float]:
    """An ordinary day with so many events: quiet at night, PEAK at two in the afternoon, and a burst then."""
    mean = events / DAY
    # A cosine raised to a power that makes its peak PEAK times its mean.
    power = _power_for(PEAK)
    scale = PEAK * mean

    def arriving(second: int) -> float:
        if BURST_AT <= second < BURST_AT + BURST_SECONDS:
            return BURST * mean
        angle = math.pi * (second - BURST_AT) / DAY
        return scale * (math.cos(angle) ** 2) ** power

    return arriving


def _power_for(peak: float) -> float:
    """The power to which a squared cosine is raised so that its peak is so many times its mean."""
    low, high = 0.01, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        mean = math.exp(math.lgamma(middle + 0.5) - math.lgamma(middle + 1)) / math.sqrt(math.pi)
        low, high = (middle, high) if 1 / mean < peak else (low, middle)
    return (low + high) / 2


@dataclass(frozen=True, slots=True)
class Plan:
    """One database with what works for it: events a day, the cores of each machine, and how many of each work."""

    name: str
    events: float
    cores: dict[str, int]
    receivers: int
    projectors: int
    databases: int = 1

    def stages(self, costs: Costs) -> list[Stage]:
        """The way of an event. Where a machine is not told apart, everything is on the one there is."""

        def on(machine: str) -> str:
            return machine if machine in self.cores else "all"

        return [
            Stage("receiving", costs.receiving, self.receivers, on("receivers")),
            Stage("the log", costs.logging, 1, on("database")),
            Stage("reading", costs.reading, self.projectors, on("projectors")),
            Stage("projecting", costs.projecting, self.projectors, on("projectors")),
            Stage("storing", costs.storing, self.projectors, on("database")),
        ]


PLANS = (
    Plan("1 million", 1e6, {"all": 2}, receivers=1, projectors=1),
    Plan("100 million", 1e8, {"all": 4}, receivers=1, projectors=1),
    Plan("1 thousand million", 1e9, {"receivers": 2, "projectors": 6, "database": 4}, receivers=2, projectors=3),
    Plan(
        "10 thousand million",
        1e9,
        {"receivers": 2, "projectors": 6, "database": 4},
        receivers=2,
        projectors=3,
        databases=10,
    ),
)


def measured(path: Path) -> Costs:
    """The costs that a file of results says. ValueError when it lacks one."""
    figures = {one["name"]: one["value"] for one in json.loads(path.read_text("utf-8"))["figures"]}
    try:
        logging = figures["(a) processor time of COPY"]
        return Costs(
            receiving=figures["(b) processor time of the collector"],
            logging=logging,
            reading=figures["(b) processor time of the projector's reader"],
            projecting=figures["(b) processor time of the projector"],
            storing=figures["(b) processor time of the database sessions"] - logging,
            log_bytes=figures["(f) the log on disk, a million events"] * 2**20 / 1e6,
            instance_bytes=figures["(f) instances on disk, a million events"] * 2**20 / 1e6,
        )
    except KeyError as error:
        raise ValueError(f"{path.name} lacks {error}: run python -m benchmarks --only a,b,f --write") from error


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale_simulation", description=__doc__)
    parser.add_argument("--results", type=Path, help="a file of benchmarks/results; without it the newest")
    asked = parser.parse_args()
    costs = measured(asked.results or max(RESULTS.glob("*.json")))
    names = ("Events a day", "Databases", "Cores each", "Mean/s", "Peak/s", "Burst/s", "Busiest minute", "Most behind")
    sizes = ("Log a day", "Instances a day")
    table = Table(*names, *sizes, title=", ".join(f"{name} {getattr(costs, name):.3g}" for name in costs.__slots__))
    for plan in PLANS:
        run = simulate(plan.stages(costs), plan.cores, day_of(plan.events), DAY)
        mean = plan.events / DAY
        table.add_row(
            plan.name,
            str(plan.databases),
            ", ".join(f"{name} {count}" for name, count in plan.cores.items()),
            *(f"{mean * times:,.0f}" for times in (1, PEAK, BURST)),
            ", ".join(f"{name} {share:.0%}" for name, share in run.busiest.items()),
            f"{run.behind:.0f} s" if run.left < 1 else "never caught up",
            _disk(plan.events * costs.log_bytes),
            _disk(plan.events * costs.instance_bytes),
        )
    Console(width=200).print(table)


def _disk(size: float) -> str:
    """Bytes as people say them."""
    return f"{size / 1e9:,.1f} GB"


if __name__ == "__main__":
    main()
