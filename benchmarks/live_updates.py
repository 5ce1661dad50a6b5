"""`python -m benchmarks.live_updates`: what the pages of a running Milepost hold while they are updated.

Give it something that happens: `make demo`, and then this with the address that the demo prints.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
import urllib.request
from collections.abc import Sequence

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.heap import Held, growth, held

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
OVERVIEW = ""
SETTLING_SECONDS = 30


def main() -> None:
    """Open the pages, look every so often, and say by how much each grew from the first half to the last."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live_updates", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="of a Milepost that runs, without login")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--every", type=float, default=60, help="seconds between two looks")
    parser.add_argument("--chromium", default=os.environ.get("MILEPOST_CHROMIUM") or shutil.which("chromium"))
    asked = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=asked.chromium, args=list(FLAGS))
        # A page that is not seen is not updated: each has a window of its own.
        pages = {path: _opened(browser, f"{asked.url}/dashboard/{path}") for path in addresses(asked.url)}
        sessions = {path: page.context.new_cdp_session(page) for path, page in pages.items()}
        _wait(pages[OVERVIEW], SETTLING_SECONDS)
        samples: dict[str, list[Held]] = {path: [] for path in pages}
        until = time.monotonic() + asked.minutes * 60
        while True:
            for path, session in sessions.items():
                samples[path].append(held(session))
            if time.monotonic() >= until:
                break
            _wait(pages[OVERVIEW], min(asked.every, max(1.0, until - time.monotonic())))
        browser.close()
    print(told(samples, asked.minutes))


def addresses(url: str) -> list[str]:
    """The pages that are looked at, with an instance and a flow that are there."""
    with urllib.request.urlopen(f"{url}/api/v1/instances?verdict=stuck&limit=1") as answer:
        stuck = json.load(answer)["items"]
    with urllib.request.urlopen(f"{url}/api/v1/workflows") as answer:
        workflows = json.load(answer)["items"]
    found = [OVERVIEW, "worklist?verdict=stuck", "incidents", "sources", "objectives"]
    found += [f"instances/{one['id']}" for one in stuck]
    return found + [f"flows/{one['name']}" for one in workflows[:1]]


def told(samples: dict[str, Sequence[Held]], minutes: float) -> str:
    """A line for each page: what it held first and last, and by how much it grew."""
    lines = [
        f"{minutes:g} minutes, {len(next(iter(samples.values())))} looks; growth is between the low medians of halves"
    ]
    for path, of in samples.items():
        name = path.split("?")[0].split("/")[0] or "overview"
        grown = growth(of, lambda one: one.heap)
        lines.append(
            f"{name:<12} heap {of[0].heap:8,.0f} → {of[-1].heap:8,.0f} KiB, grew {grown:+8,.0f}"
            f"  nodes {of[0].nodes:6,} → {of[-1].nodes:6,}  listeners {of[0].listeners:5,} → {of[-1].listeners:5,}"
        )
    return "\n".join(lines)


def _opened(browser: Browser, address: str) -> Page:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(address)
    return page


def _wait(page: Page, seconds: float) -> None:
    """So that Playwright goes on with what the pages say meanwhile."""
    page.wait_for_timeout(seconds * 1000)


if __name__ == "__main__":
    main()
