"""One run: a history is sent while faults happen, then all is calm, and what must hold is held against what there is."""

from __future__ import annotations

import heapq
import json
import random
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from tests.faults import checks
from tests.faults.database import Postgres
from tests.faults.faults import KINDS, Kind, Missed, World
from tests.faults.history import HOSTILE, cancellations, heartbeats, make
from tests.faults.hook import Hook
from tests.faults.landscape import ROLES, VETERANS, Landscape, Member
from tests.faults.ledger import Ledger
from tests.faults.senders import Senders
from tests.faults.wire import Wires

BOOT_SECONDS = 300.0
CALM_SECONDS = 300.0
"""Within this everything must have recovered by itself; a busy machine takes its time to start processes."""
MOST_MEGABYTES = 700.0
MOST_MORE_FILES = 40
MOST_MORE_THREADS = 40


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is made of: a seed, and how much. `most` are the faults under way at once, `pause` is the mean between
    two that begin."""

    seed: int
    seconds: float = 60.0
    orders: int = 600
    lanes: int = 10
    pause: float = 0.3
    most: int = 4


@dataclass(slots=True)
class Outcome:
    """How a run went."""

    seed: int
    counts: dict[str, int] = field(default_factory=dict)
    missed: int = 0
    figures: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    kept: Path | None = None
    """Logs, ledger and what was wrong, where something was."""

    @property
    def kills(self) -> int:
        """How often a process was ended with SIGKILL."""
        return sum(self.counts.get(kind.name, 0) for kind in KINDS if kind.kills)


def run(plan: Plan, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """Do it, and tell what was wrong; whatever happens, nothing is left running."""
    outcome = Outcome(plan.seed)
    one = _Run(plan, outcome, say)
    try:
        one.go()
    except Exception:  # noqa: BLE001 — a run that cannot be finished has failed, and its artefacts say why
        outcome.wrong.append(traceback.format_exc())
    finally:
        one.close()
    return outcome


class _Run:
    def __init__(self, plan: Plan, outcome: Outcome, say: Callable[[str], None]) -> None:
        self.plan, self.outcome, self.say = plan, outcome, say
        self.random = random.Random(plan.seed)
        self.folder = Path(tempfile.mkdtemp(prefix="mp-faults-run-"))
        self.postgres = Postgres()
        self.wires = Wires()
        self.hook = Hook()
        self.ledger = Ledger(self.folder / "ledger.jsonl")
        now = time.time_ns() // 1000
        self.history = make(self.random, now, plan.orders, plan.lanes, plan.seconds)
        for name, other in (("definitions", False), ("another", True)):
            (self.folder / f"{name}.yaml").write_text(self.history.definitions(self.hook.port, other=other))
        (self.folder / "hostile.yaml").write_text(HOSTILE)
        self._numbers = count(1)
        self.landscape, database_wires = self._landscape()
        receiving = [one for one in self.landscape.members if one.name.startswith(("collector", "serve"))]
        sender_wires = [self.wires.to(one.port) for one in receiving]
        self.world = World(self.landscape, self.postgres, database_wires, sender_wires, self._others)
        urls = [f"http://127.0.0.1:{wire.port}" for wire in sender_wires]
        self.senders = Senders(
            self.history, urls, self.ledger, lambda lane: self.hook.fired_of(lane.name), self.random.getrandbits(32)
        )
        self._healing: list[tuple[float, int, str, Callable[[], None]]] = []
        self._held: dict[str, tuple[float, int, int]] = {}

    def go(self) -> None:
        say, plan = self.say, self.plan
        # The roles first: the order in which things start does not matter.
        self.landscape.start()
        self.postgres.start()
        self.postgres.wait()
        self.postgres.make()
        self._until(lambda: all(one.ready() for one in self.landscape.members), BOOT_SECONDS, "all are ready")
        self._held = {name: self._member(name).holds() for name in VETERANS}
        say(
            f"{len(self.landscape.members)} processes are ready; {len(self.history.jobs)} requests, {plan.seconds:.0f} s"
        )
        self.senders.start()
        self._disturb()
        say(f"calm after {sum(self.world.counts.values())} faults")
        began = time.monotonic()
        self._recover(began)
        self._check()

    def _disturb(self) -> None:
        begin = time.monotonic()
        weights = [kind.weight for kind in KINDS]
        at = 0.0
        while at < self.plan.seconds:
            at += self.random.expovariate(1 / self.plan.pause)
            kind = self.random.choices(KINDS, weights)[0]
            lasts = self.random.uniform(kind.least, kind.most)
            # What is drawn does not depend on what happened, so that a seed repeats it.
            own = random.Random(self.random.getrandbits(32))
            while (now := time.monotonic() - begin) < at:
                self._heal(begin + now)
                time.sleep(min(0.05, max(0.0, at - now)))
            if len(self._healing) < self.plan.most and now < self.plan.seconds * 1.5:
                self._begin(kind, own, lasts)
        while self._healing:
            self._heal(float("inf"))

    def _begin(self, kind: Kind, own: random.Random, lasts: float) -> None:
        if any(name == kind.name or (name.startswith("PostgreSQL") and kind.name.startswith("PostgreSQL"))
               for _, _, name, _ in self._healing):  # fmt: skip
            self.world.missed[kind.name] += 1
            return
        try:
            end = kind.begin(self.world, own, lasts)
        except Missed:
            self.world.missed[kind.name] += 1
            return
        self.world.counts[kind.name] += 1
        self._note({"fault": kind.name, "lasts": lasts})
        if end is not None:
            heapq.heappush(self._healing, (time.monotonic() + lasts, next(self._numbers), kind.name, end))

    def _heal(self, now: float) -> None:
        while self._healing and self._healing[0][0] <= now:
            _, _, name, end = heapq.heappop(self._healing)
            end()
            self._note({"over": name})

    def _recover(self, began: float) -> None:
        for wire in [*self.world.database_wires, *self.world.sender_wires]:
            wire.mend()
        self.postgres.clear()
        self.postgres.start()
        for one in self.landscape.members:
            for worker in one.workers():
                worker.resume()
            if one.process is not None and one.alive():
                one.process.send_signal(18)
        self._until(lambda: all(one.ready() for one in self.landscape.members), CALM_SECONDS, "all are ready again")
        ready = time.monotonic() - began
        # Whoever starts last decides which definitions are in force.
        self.landscape.tell(self._member("notifier-0"))
        self._until(self.senders.done, CALM_SECONDS, "everything is acknowledged")
        self.senders.send(heartbeats(time.time()))
        self._until(lambda: checks.caught_up(self.postgres), CALM_SECONDS, "everything is applied")
        self.outcome.figures |= {"seconds until all were ready": round(ready, 1)}
        self.say(f"ready again after {ready:.1f} s, everything applied after {time.monotonic() - began:.1f} s")

    def _check(self) -> None:
        history, postgres, wrong = self.history, self.postgres, self.outcome.wrong
        url = self._member("dashboard-0").url
        self.outcome.figures["poisoned rows"] = self.world.poisoned
        found, faults = checks.lost_and_double(postgres, history, self.ledger, len(history.jobs))
        wrong += faults
        instances, faults = checks.verdicts(url, history)
        wrong += faults
        counted, faults = checks.objectives(postgres, history)
        wrong += faults
        wrong += checks.poisoned(postgres, self.world.poisoned)
        wrong += checks.rebuilt(postgres)
        wrong += checks.verdicts(url, history)[1] if not wrong else []
        for job in cancellations(history, len(history.jobs)):
            self.senders.send(job)
        self._until(lambda: checks.caught_up(postgres), CALM_SECONDS, "the cancellations are applied")
        self._until(lambda: checks.open_incidents(postgres) == 0, CALM_SECONDS, "every incident is resolved")
        self._until(lambda: checks.undelivered(postgres) == 0, CALM_SECONDS, "every message is delivered")
        held = checks.flapping(postgres)
        wrong += checks.told(self.hook, history, held)
        wrong += [f"odd answer: {one}" for one in self.ledger.odd[:5]]
        wrong += self.landscape.ended[:20]
        for one in self.world.hostile:
            if one.process is None or one.process.wait(CALM_SECONDS) != 1 or "Traceback" in one.log.read_text():
                wrong.append(f"definitions with faults: {one.log.read_text()[-1000:]}")
        wrong += self._held_on_to()
        wrong += self._errors()
        if leftovers := self.landscape.leftovers():
            wrong.append(f"workers without their process: {leftovers}")
        drained = self.landscape.drained
        self.outcome.figures |= {
            "requests acknowledged": self.ledger.answers["acknowledged"],
            "requests tried": self.senders.attempts,
            "acknowledged events": found.acknowledged,
            "lost": found.lost,
            "counted double": found.double,
            "instances compared": instances,
            "buckets compared": counted,
            "incidents fired": len(self.hook.told("firing")),
            "resolved": len(self.hook.told("resolved")),
            "held as flapping": len(held),
            "messages repeated": len(self.hook.repeated()),
            "events with a wrong clock (orders)": history.skewed,
            "processes started": sum(one.starts for one in self.landscape.members),
            "slowest end after SIGTERM (s)": round(max(drained, default=0.0), 1),
        }

    def _held_on_to(self) -> list[str]:
        wrong = []
        for name, before in self._held.items():
            after = self._member(name).holds()
            self.outcome.figures[f"{name}: MB, files, threads"] = (
                f"{before[0]:.0f}, {before[1]}, {before[2]} → {after[0]:.0f}, {after[1]}, {after[2]}"
            )
            if (
                after[0] > MOST_MEGABYTES
                or after[1] > before[1] + MOST_MORE_FILES
                or after[2] > before[2] + MOST_MORE_THREADS
            ):
                wrong.append(f"{name} holds on to (MB, files, threads) {before} → {after}")
        return wrong

    def _errors(self) -> list[str]:
        """What processes called an error: none of these faults is one of theirs, but that a worker of theirs died."""
        found: dict[str, str] = {}
        for one in self.landscape.members:
            for said in one.said("error") + one.said("critical"):
                if said.get("event") not in ("projector_ended", "event_set_aside"):
                    found.setdefault(f"{said.get('event')}", f"{one.name}: {json.dumps(said)[:1500]}")
        return [f"logged as an error: {one}" for one in found.values()]

    def _until(self, condition: Callable[[], Any], seconds: float, what: str) -> None:
        until = time.monotonic() + seconds
        while True:
            try:
                if condition():
                    return
            except Exception as error:  # noqa: BLE001 — what is away answers with all kinds of errors
                self._note({"asked": what, "error": str(error)})
            if time.monotonic() > until:
                states = {one.name: one.ready() for one in self.landscape.members}
                raise AssertionError(f"not within {seconds:.0f} s: {what}; ready: {states}")
            time.sleep(0.1)

    def _member(self, name: str) -> Member:
        return next(one for one in self.landscape.members if one.name == name)

    def _landscape(self) -> tuple[Landscape, list[Any]]:
        members, wires = [], []
        definitions = str(self.folder / "definitions.yaml")
        for place, role in enumerate(ROLES):
            wire = self.wires.to(self.postgres.port)
            wires.append(wire)
            arguments = [role, "--database-url", self.postgres.url_by(wire.port), "--definitions", definitions]
            if role in ("notifier", "serve"):
                arguments += ["--private-hosts", "127.0.0.1"]
            members.append(Member(f"{role}-{ROLES[:place].count(role)}", arguments, self.folder))
        return Landscape(members), wires

    def _others(self, which: str) -> Member:
        arguments = ["notifier", "--database-url", self.postgres.url, "--private-hosts", "127.0.0.1"]
        arguments += ["--definitions", str(self.folder / f"{which}.yaml")]
        return Member(f"{which}-{next(self._numbers)}", arguments, self.folder)

    def _note(self, what: dict[str, Any]) -> None:
        with (self.folder / "faults.jsonl").open("a") as file:
            file.write(json.dumps({"at": time.time()} | what) + "\n")

    def close(self) -> None:
        """End everything, and keep what tells what went wrong."""
        outcome = self.outcome
        outcome.counts, outcome.missed = dict(self.world.counts), sum(self.world.missed.values())
        self.senders.stop()
        for wire in self.wires.all:
            wire.mend()
        self.landscape.close()
        for one in self.world.hostile:
            if one.process is not None and one.alive():
                one.process.kill()
                one.process.wait(10)
        for _, _, _, end in self._healing:
            try:
                end()
            except Exception as error:  # noqa: BLE001 — everything ends here anyway
                self._note({"error": str(error)})
        self.wires.close()
        self.hook.close()
        self.ledger.close()
        if outcome.wrong:
            if self.postgres.log.exists():
                shutil.copy(self.postgres.log, self.folder / "postgres.log")
            (self.folder / "wrong.txt").write_text("\n".join(outcome.wrong))
            outcome.kept = self.folder
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.postgres.close()
