"""`python -m tests.faults`: break things at random, and see whether anything was lost. `make faults` calls this."""

from __future__ import annotations

import argparse
import os
import random
import sys
import time

from tests.faults.harness import Plan, run
from tests.faults.table import table

LONG_KILLS = 2_000


def main() -> int:
    """The exit code: 0 when everything held."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="repeats a run: its history and its faults")
    parser.add_argument("--seconds", type=float, default=None, help="how long faults happen in a run")
    parser.add_argument("--kills", type=int, default=None, help="make runs until so many processes were killed")
    given = parser.parse_args()
    long = os.environ.get("LONG", "") not in ("", "0")
    seed = random.SystemRandom().randrange(1 << 31) if given.seed is None else given.seed
    kills = given.kills if given.kills is not None else LONG_KILLS if long else 1
    outcomes = []
    while sum(one.kills for one in outcomes) < kills:
        plan = Plan(
            seed + len(outcomes), seconds=given.seconds or (240.0 if long else 60.0), orders=2_000 if long else 600
        )
        began = time.monotonic()
        print(f"Run {len(outcomes) + 1}, seed {plan.seed}", flush=True)
        outcomes.append(run(plan, lambda said: print(f"  {time.strftime('%H:%M:%S')} {said}", flush=True)))
        one = outcomes[-1]
        print(f"  {time.monotonic() - began:.0f} s, {one.kills} killed, {len(one.wrong)} wrong", flush=True)
        if one.wrong:
            break
    print(table(outcomes))
    failed = next((one for one in outcomes if one.wrong), None)
    if failed is None:
        return 0
    print("\nWrong:\n" + "\n".join(f"- {one}" for one in failed.wrong))
    again = f" --seconds {given.seconds:g}" if given.seconds else ""
    print(
        f'\nTo repeat it: make faults {"LONG=1 " if long else ""}ARGS="--seed {failed.seed}{again}"\nKept: {failed.kept}'
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
