"""Reports from a real database: the page, the tables, the pack of evidence, hostile values, and a terminal."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
import subprocess
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from milepost.cli import app
from milepost.evidence import _safe
from milepost.report_files import Asked, report
from milepost.settings import Settings
from tests.acceptance.process import COMMAND, environment
from tests.integration.fix_doors import DEFINITIONS, Collector, cloud_event, running

pytestmark = pytest.mark.slow

NOW = datetime.now(UTC).replace(second=0, microsecond=0)
SINCE = (NOW - timedelta(days=3)).isoformat()
FORMULA, SCRIPT = '=HYPERLINK("http://evil.example")', "<script>alert(1)</script>"
MAINTENANCE = (NOW - timedelta(hours=60)).replace(minute=0)
MORE = """
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: by-region, title: "Orders accepted <in time>", owner: erp}
spec:
  workflow: order-to-cash
  latency: {from: order_received, to: order_accepted, within: 4h}
  target: 0.9
  targets: {contract: 0.5}
  missing_data: bad
  group_by: [region]
  by_value: true
  exclude: [{from: "MAINTENANCE", for: 1h, reason: "Sunday & maintenance"}]
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: fresh}
spec: {workflow: order-to-cash, freshness: {from: order_received, to: order_accepted, within: 30m}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: enough}
spec: {workflow: order-to-cash, volume: {milestone: order_received, per: 1h, at_most: 1}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: solved}
spec: {workflow: ticket, success: {}, target: 0.9, missing_data: bad}
""".replace("MAINTENANCE", f"{MAINTENANCE:%Y-%m-%dT%H:%M:%SZ}")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def received(name: str, ago: int, region: str, account: str) -> dict[str, Any]:
    data = {"order_id": name, "account_id": account, "region": region, "amount": 99.5, "currency": "EUR"}
    return cloud_event(f"r-{name}", time=(NOW - timedelta(hours=ago)).isoformat(), data=data)


def accepted(name: str, ago: int) -> dict[str, Any]:
    at = (NOW - timedelta(hours=ago)).isoformat()
    return cloud_event(f"a-{name}", source="sap", type="sales_order.created", time=at, data={"order_id": name})


@pytest.fixture
async def filled(database_url: str) -> AsyncIterator[Collector]:
    async with running(database_url, DEFINITIONS + MORE) as made:
        # Two in the hour 38 hours ago, one in any other.
        events = [
            received("O-1", 40, "EMEA", "A-17"), accepted("O-1", 38),
            received("O-2", 39, "EMEA", "A-17"), accepted("O-2", 29),
            received("O-3", 38, FORMULA, "A-18"),
            received(SCRIPT, 38, "APAC", "../../../etc/passwd"),
            received("O-5", 20, "EMEA", "A-17"),
        ]  # fmt: skip
        assert (await made.events(*events)).status_code == 200
        while made.project():
            pass
        (id_,) = [str(row[0]) for row in made.rows("SELECT id FROM instance WHERE title = 'O-5'")]
        said = {"by": SCRIPT, "reason": "+1 known", "until": (NOW + timedelta(days=9)).isoformat()}
        assert (await made.http.post(f"/api/v1/instances/{id_}/waiver", json=said)).status_code == 202
        while made.project():
            pass
        yield made


def asked(**changes: Any) -> Asked:
    whole: dict[str, Any] = {
        "month": None, "since": SINCE, "until": None, "zone": "UTC", "objectives": (), "groups": (), "tables": False,
        "output": None, "evidence": None, "limit": 100,
    }  # fmt: skip
    return Asked(**whole | changes)


async def make(filled: Collector, now: datetime | None = None, **changes: Any) -> list[str]:
    return await asyncio.to_thread(report, Settings(database_url=filled.url), asked(**changes), now)


class Outline(HTMLParser):
    """What a page consists of; an element that is left open is an error."""

    VOID = frozenset({"meta", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.met: set[str] = set()
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.met.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


async def test_the_page_needs_nothing_else_and_believes_nothing(filled: Collector, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    said = await make(filled, output=page)
    assert f"Written: {page}" in said
    found = Outline(page.read_text("utf-8"))
    assert not found.met & {"script", "img", "link", "iframe"}
    assert all(address.startswith("#") for address in found.addresses)
    for words in (
        "Orders accepted <in time>",
        SCRIPT,
        FORMULA,
        "Order received was reached at",
        "6h past it.",
        "has not come.",
        "By value",
        "All, by the target “contract”",
        "Sunday & maintenance",
        "+1 known",
        "sap · sales_order.created · a-O-2",
        "definition version 1",
        "Slices missed: 1",
        "Nothing counted",
    ):
        assert words in found.text, words


async def test_its_numbers_are_those_of_the_objective(filled: Collector, tmp_path: Path) -> None:
    await make(filled, tables=True, output=tmp_path / "new" / "folder")
    rows = table(tmp_path / "new" / "folder" / "results.csv")
    whole = {row["objective"]: row for row in rows if not row["group"] and not row["target_name"] and row["unit"] in ("items", "slices")}  # fmt: skip
    for name in ("by-region", "orders-accepted-in-time"):
        one = await filled.get(f"/api/v1/objectives/{name}")
        assert [float(whole[name][part]) for part in ("good", "bad", "waived")] == [one["good"], one["bad"], one["waived"]]  # fmt: skip
        assert float(whole[name]["target"]) == one["target"]
    assert (whole["by-region"]["bad"], whole["by-region"]["met"]) == ("3", "no")
    values = [row for row in rows if row["unit"] == "EUR" and not row["group"]]
    assert [(row["objective"], row["good"], row["bad"]) for row in values] == [("by-region", "99.5", "298.5")]
    groups = {row["group"]: row["bad"] for row in rows if row["group"] and row["unit"] == "items"}
    assert groups == {"region=EMEA": "1", f"region={FORMULA}": "1", "region=APAC": "1"}
    assert (whole["solved"]["total"], whole["solved"]["ratio"], whole["solved"]["met"]) == ("0", "", "")


async def test_no_cell_is_a_formula(filled: Collector, tmp_path: Path) -> None:
    await filled.events(received("-2+3", 30, "EMEA", "@SUM(A1)"), received("\t=1", 30, "EMEA", "A-1"))
    while filled.project():
        pass
    await make(filled, tables=True, output=tmp_path)
    for name in ("results.csv", "breaches.csv"):
        cells = [cell for row in table(tmp_path / name) for cell in row.values()]
        text = [cell for cell in cells if not cell.replace(".", "").replace("-", "").replace("e", "").isdigit()]
        assert not [cell for cell in text if cell.lstrip()[:1] in tuple("=+-@")]
    rows = table(tmp_path / "breaches.csv")
    assert "'-2+3" in {row["title"] for row in rows}
    assert "'+1 known" in {row["waived_because"] for row in rows}


async def test_a_report_for_one_customer_counts_theirs_only(filled: Collector, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    said = await make(filled, groups=["account=A-17"], output=page, objectives=["by-region", "fresh", "enough"])
    assert said[0].startswith("by-region: 50.0000% of 2 items")
    text = Outline(page.read_text("utf-8")).text
    assert "account A-17" in text
    assert "counted one by one" in text
    assert "O-3" not in text
    both = await make(filled, groups=["account=A-17", "region=APAC"], output=page, objectives=["by-region"])
    assert both[0] == "by-region: nothing counted, promised 90.0000%"


async def test_what_cannot_be_told_apart_so_is_left_out_and_said(filled: Collector, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    await make(filled, groups=["region=EMEA"], output=page)
    assert "Left out, for their instances cannot be told apart so: solved." in Outline(page.read_text("utf-8")).text


async def test_an_evidence_pack_holds_what_it_says_and_is_the_same_again(filled: Collector, tmp_path: Path) -> None:
    first, second = tmp_path / "a.zip", tmp_path / "b.zip"
    later = datetime.now(UTC)
    said = await make(filled, now=later, evidence=first, groups=["account=../../../etc/passwd"])
    assert said[-1].startswith(f"Written: {first}, with 1 instances, sha256 ")
    assert said[-1].endswith(hashlib.sha256(first.read_bytes()).hexdigest())
    await make(filled, now=later, evidence=second, groups=["account=../../../etc/passwd"])
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as pack:
        names = pack.namelist()
        assert pack.testzip() is None
        assert names[:-1] == sorted(names[:-1])
        assert not [name for name in names if ".." in name or name.startswith("/") or "\\" in name]
        manifest = json.loads(pack.read("manifest.json"))
        assert {one["name"]: one["sha256"] for one in manifest["files"]} == {
            name: hashlib.sha256(pack.read(name)).hexdigest() for name in names if name != "manifest.json"
        }
        assert manifest["asked"]["group"] == {"account": "../../../etc/passwd"}
        assert manifest["log"]["seq"] == manifest["log"]["seq_at_end"] > 0
        (story_name,) = [name for name in names if name.startswith("instances/")]
        story = json.loads(pack.read(story_name))
        assert story["title"] == SCRIPT
        assert story["log"][0]["event"]["data"]["order_id"] == SCRIPT
        assert story["log_is_whole"]
        workflow = json.loads(pack.read("definitions/workflows/order-to-cash-version-1.json"))
        assert workflow["definition"]["name"] == "order-to-cash"
        assert [name for name in names if name.startswith("definitions/objectives/by-region-since-")]
        assert {"report.html", "results.csv", "breaches.csv"} <= set(names)
        assert "<script" not in pack.read("report.html").decode()
        reader = csv.DictReader(io.StringIO(pack.read("breaches.csv").decode(), newline=""))
        assert {row["title"] for row in reader if row["title"]} == {SCRIPT}


async def test_a_time_without_anything_is_an_empty_report(filled: Collector, tmp_path: Path) -> None:
    page, pack = tmp_path / "r.html", tmp_path / "p.zip"
    said = await make(filled, since=None, month="2001-02", output=page, evidence=pack)
    assert said[0] == "by-region: nothing counted, promised 90.0000%"
    assert "What was promised and kept, February 2001" in Outline(page.read_text("utf-8")).text
    with zipfile.ZipFile(pack) as opened:
        assert not [name for name in opened.namelist() if name.startswith("instances/")]


async def test_a_closed_period_stands_beside_what_it_came_to_since(filled: Collector, tmp_path: Path) -> None:
    month = (NOW - timedelta(days=70)).replace(day=1, hour=0, minute=0)
    filled.conn.execute(
        "INSERT INTO objective_period VALUES ('by-region', '', '', 'month', 'UTC', %s, %s, 0.9, 7, 3, %s)",
        (month, (month + timedelta(days=32)).replace(day=1), NOW),
    )
    filled.conn.commit()
    page = tmp_path / "r.html"
    await make(filled, since=None, month=f"{month:%Y-%m}", objectives=["by-region"], output=page)
    text = Outline(page.read_text("utf-8")).text
    assert f"What was promised and kept, {month:%B %Y}" in text
    assert "it came to 70.00% (7 in time, 3 missed) by a target of 90%: missed." in text
    assert "Restated since: what came late has made it 0 in time, 0 missed." in text


def invoke(url: str, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["report", *arguments, "--database-url", url])
    return result.exit_code, result.output


async def test_every_fault_is_named_at_once(filled: Collector, tmp_path: Path) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        return invoke(filled.url, *arguments)

    code, said = await asyncio.to_thread(
        run, "--month", "2026-13", "--until", "soon", "--group", "EMEA", "--group", "=x"
    )
    assert code == 1
    for fault in (
        "--month: cannot be asked",
        "--until: 'soon'",
        "--since: is needed",
        "--group: 'EMEA'",
        "--group: '=x'",
    ):
        assert fault in said
    code, said = await asyncio.to_thread(run, "--month", "2026-13")
    assert (code, said) == (1, "--month: '2026-13' is no month such as 2026-10\n")
    code, said = await asyncio.to_thread(run, "--month", "2999-01")
    assert (code, "nothing of that time is behind yet" in said) == (1, True)
    code, said = await asyncio.to_thread(run, "--zone", "../../etc/passwd")
    assert (code, "is no time zone" in said) == (1, True)
    code, said = await asyncio.to_thread(run, "--objective", "by-regio", "--objective", "x\x00")
    assert code == 1
    assert "there is no 'by-regio'; did you mean" in said.lower() or "by-region" in said
    assert "'x\\x00'" in said
    code, said = await asyncio.to_thread(run, "--group", "regio=EMEA")
    assert (code, "'regio' is neither attribute nor key" in said) == (1, True)


async def test_what_cannot_be_written_leaves_nothing_behind(filled: Collector, tmp_path: Path) -> None:
    nowhere = tmp_path / "there" / "is" / "none.html"
    code, said = await asyncio.to_thread(invoke, filled.url, "--since", SINCE, "--output", str(nowhere))
    assert (code, "cannot be written: No such file or directory" in said) == (1, True)
    taken = tmp_path / "file"
    taken.write_text("here before")
    code, said = await asyncio.to_thread(
        invoke, filled.url, "--since", SINCE, "--format", "csv", "--output", str(taken)
    )
    assert (code, "cannot be written" in said) == (1, True)
    code, said = await asyncio.to_thread(invoke, filled.url, "--since", SINCE, "--evidence", str(tmp_path))
    assert (code, "cannot be written" in said) == (1, True)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    assert taken.read_text() == "here before"


def test_a_name_is_one_part_of_a_path() -> None:
    assert [_safe(name) for name in ("../../etc", "..", "a/b\\c", "", "order-to-cash", "x" * 300)] == [
        "____etc", "_", "a_b_c", "_", "order-to-cash", "x" * 100,
    ]  # fmt: skip


@pytest.mark.slow
async def test_at_a_terminal(filled: Collector, tmp_path: Path) -> None:
    command = [*COMMAND, "report", "--since", SINCE, "--zone", "Asia/Tokyo", "--database-url", filled.url]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, check=False, capture_output=True, text=True, env=environment(), timeout=240, cwd=tmp_path
        )

    done = await asyncio.to_thread(run)
    assert (done.returncode, done.stderr) == (0, "")
    assert "by-region: 25.0000% of 4 items, promised 90.0000%, MISSED" in done.stdout
    assert "Asia/Tokyo" in (tmp_path / "report.html").read_text("utf-8")
