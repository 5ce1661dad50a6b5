"""The documents say what is so: their definitions load, their links lead somewhere, their limits are the code's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from collector.ingest import bodies, cloudevents, otlp
from collector.log import MAX_PENDING_BYTES
from collector.query.instances import MAX_LIMIT, SORTS
from milepost.routes import read_alerting
from slo_rules.definitions import KINDS, load
from slo_rules.faults import DefinitionError
from slo_rules.judgement import VerdictKind

TOP = Path(__file__).parents[2]
DEFINITIONS = TOP / "docs" / "definitions.md"
PAGES = sorted(
    [*(TOP / "docs").rglob("*.md"), *TOP.glob("*.md"), *TOP.glob("deploy/*.md"), *TOP.glob("changelog.d/*.md")]
)
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, word: str) -> dict[str, str]:
    """The code blocks that open with these words, by page and line."""
    text = page.read_text("utf-8")
    return {
        f"{page.name}:{text.count(chr(10), 0, found.start()) + 2}": found[2]
        for found in BLOCK.finditer(text)
        if found[1] == word
    }


def prose(page: Path) -> str:
    return re.sub(r"`[^`\n]*`", "", BLOCK.sub("", page.read_text("utf-8")))


def anchors(page: Path) -> set[str]:
    """Of the headings, as they are made on the usual sites."""
    text = BLOCK.sub("", page.read_text("utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


def test_every_definition_of_the_reference_loads_without_fault() -> None:
    found = load(blocks(DEFINITIONS, "yaml definition"))
    assert set(found.workflows) == {"order-to-cash", "account-reconciliation"}
    assert {objective.kind for objective in found.objectives.values()} == {"latency", "freshness", "success"}
    assert found.sources
    assert found.routes


def test_the_definitions_of_the_readme_load_without_fault() -> None:
    shown = blocks(TOP / "README.md", "yaml")
    definitions = {place: text for place, text in shown.items() if text.startswith("apiVersion:")}
    if definitions:
        load(definitions)


def test_the_routes_of_the_reference_are_routes() -> None:
    environment = {
        "SLACK_WEBHOOK_URL": "https://hooks.example.com/slack",
        "HOOK_SECRET": "whsec_" + "A" * 32,
        "SLACK_TOKEN": "xoxb-1",
    }
    assert read_alerting(load(blocks(DEFINITIONS, "yaml definition")), environment).routes


def test_every_filter_of_the_reference_is_a_filter() -> None:
    (lines,) = [block for block in blocks(DEFINITIONS, "yaml").values() if block.startswith("{exact")]
    for line in lines.splitlines():
        load(
            {
                "filter.yaml": (
                    "apiVersion: milepost/v1\nkind: Workflow\nmetadata: {name: a, domain: b, owner: c}\n"
                    f"spec:\n  entity: d\n  keys: {{e: data.e}}\n  milestones:\n    - name: f\n      on: {line}\n"
                )
            }
        )


def test_the_fault_that_the_reference_shows_is_said_so() -> None:
    (shown,) = [block for block in blocks(DEFINITIONS, "text").values() if block.startswith("orders.yaml:")]
    _, _, message = shown.strip().partition(": ")
    path, _, words = message.partition(": ")
    text = (
        "apiVersion: milepost/v1\nkind: Workflow\nmetadata: {name: a, domain: b, owner: c}\n"
        "spec:\n  entity: d\n  keys: {e: data.e}\n  milestones:\n"
        "    - {name: f, on: {exact: {type: f}}}\n    - {name: g, starts: true, on: {exact: {type: g}}, within: 1h}\n"
    )
    with pytest.raises(DefinitionError) as error:
        load({"orders.yaml": text})
    (fault,) = error.value.faults
    assert (fault.path, fault.message) == (path, words)


def test_the_reference_names_every_kind_and_every_verdict() -> None:
    text = DEFINITIONS.read_text("utf-8")
    for word in (*KINDS, *(f"`{kind}`" for kind in VerdictKind)):
        assert word in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(TOP).as_posix())
def test_internal_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(TOP), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(TOP).as_posix())
def test_files_that_a_page_names_are_there(page: Path) -> None:
    for path in re.findall(
        r"`((?:slo_rules|collector|alerting|dashboard|milepost|tests)/[\w/.]+)`", page.read_text("utf-8")
    ):
        assert (TOP / path).exists(), path


def test_every_decision_is_listed_and_has_its_three_parts() -> None:
    folder = TOP / "docs" / "adr"
    decisions = sorted(folder.glob("0*.md"))
    assert [int(page.name[:4]) for page in decisions] == list(range(1, len(decisions) + 1))
    for page in decisions:
        parts = re.findall(r"^## (.*)$", page.read_text("utf-8"), re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequences"], page.name
        assert page.name in links(folder / "README.md")


def test_the_limits_in_the_documents_are_those_of_the_code() -> None:
    text = (TOP / "docs" / "http.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| (.*?) \| (.*?) \|$", text, re.MULTILINE))

    def numbers(row: str) -> list[int]:
        found = re.findall(r"(\d[\d,]*) ?(MiB)?", rows[row])
        return [int(number.replace(",", "")) * (2**20 if unit else 1) for number, unit in found if number != "429"]

    assert numbers("body of a request") == [bodies.MAX_BODY]
    assert numbers("body with `Content-Encoding: gzip` or `deflate`") == [bodies.MAX_COMPRESSED, bodies.MAX_BODY]
    assert numbers("bodies being received at once")[0] == bodies.MAX_IN_FLIGHT
    assert numbers("accepted and waiting for its commit")[0] == MAX_PENDING_BYTES
    assert numbers("events in a batch") == [cloudevents.MAX_BATCH]
    assert numbers("one event; attributes and events of one span or record") == [cloudevents.MAX_EVENT_BYTES]
    assert cloudevents.MAX_EVENT_BYTES == otlp.MAX_BODY
    assert numbers("`source`, `id`, `type`, `subject`") == [cloudevents.MAX_ATTRIBUTE]
    assert f"`limit` is at most {MAX_LIMIT}" in text
    assert all(f"`{name}`" in text for name in SORTS)
