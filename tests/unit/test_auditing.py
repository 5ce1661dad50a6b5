"""What Milepost is made of: nothing that runs is left out of its bill, and no answer is not taken for a good one."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from supply.audit import audit, judged
from supply.bill import licences, narrowed
from supply.components import EXTRAS, at_run_time, normal, vendored

TOP = Path(__file__).parents[2]
MADE_OF = {"jinja2": "3.1.6", "psycopg": "3.3.9"}


def known(*vulns: dict[str, Any], name: str = "jinja2", version: str = "3.1.6") -> dict[str, Any]:
    return {"name": name, "version": version, "vulns": list(vulns)}


SKIPPED = {"name": "jinja2", "skip_reason": "Dependency not found on PyPI and could not be audited"}
BAD = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fix_versions": ["3.1.7"]}


def test_what_runs_is_what_is_required_and_what_that_requires_and_no_tool() -> None:
    found = at_run_time()
    project = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = list(project["dependencies"])
    wanted += [one for extra in EXTRAS for one in project["optional-dependencies"][extra]]
    assert {normal(Requirement(one).name) for one in wanted} <= set(found)
    # Those that others bring along.
    assert {"starlette", "cryptography", "markupsafe", "grpcio", "psycopg-binary"} <= set(found)
    assert not {"pytest", "mypy", "ruff", "hypothesis", "pip-audit", "cyclonedx-bom", "milepost"} & set(found)


def test_scripts_that_no_package_brings_are_in_it_with_their_versions(tmp_path: Path) -> None:
    (script,) = vendored(TOP / "dashboard" / "vendor")
    assert script["name"] == "plotly.js-basic-dist-min"
    assert script["purl"].endswith(f"@{script['version']}")
    assert licences({"components": [script]}) == [f"plotly.js-basic-dist-min {script['version']}: MIT"]
    (tmp_path / "unknown.js").write_text("/* v1.2.3\n */")
    with pytest.raises(ValueError, match=r"unknown\.js is not known"):
        vendored(tmp_path)


def test_what_runs_is_pinned_as_it_is_installed() -> None:
    lines = (TOP / "constraints.txt").read_text("utf-8").splitlines()[1:]
    pinned = {normal(name) for name, _, _ in (line.partition("==") for line in lines)}
    assert set(at_run_time()) <= pinned


def bill(*names: str) -> dict[str, Any]:
    return {
        "metadata": {"component": {"bom-ref": "root", "name": "milepost"}},
        "components": [{"bom-ref": f"ref-{name}", "name": name, "version": "1"} for name in names],
        "dependencies": [
            {"ref": "root", "dependsOn": [f"ref-{name}" for name in names]},
            *({"ref": f"ref-{name}", "dependsOn": ["ref-pytest"]} for name in names),
        ],
    }


def test_the_bill_has_every_component_that_runs_and_no_tool() -> None:
    found = narrowed(bill("Jinja2", "pytest", "psycopg"), MADE_OF)
    assert [one["name"] for one in found["components"]] == ["Jinja2", "psycopg"]
    references = {"root", *(one["bom-ref"] for one in found["components"])}
    for one in found["dependencies"]:
        assert {one["ref"], *one["dependsOn"]} <= references
    with pytest.raises(ValueError, match="psycopg"):
        narrowed(bill("jinja2"), MADE_OF)


def test_licences_are_told_however_a_component_says_them() -> None:
    component = {"version": "1"}
    found = licences(
        {
            "components": [
                component | {"name": "d"},
                component | {"name": "a", "licenses": [{"license": {"id": "MIT"}}, {"license": {"id": "MIT"}}]},
                component | {"name": "b", "licenses": [{"expression": "MIT OR Apache-2.0"}]},
                component | {"name": "c", "licenses": [{"license": {"name": "BSD\nRedistribution and use …"}}]},
            ]
        }
    )
    assert found == ["a 1: MIT", "b 1: MIT OR Apache-2.0", "c 1: BSD", "d 1: not stated"]


def test_a_finding_fails_the_audit_and_names_what_mends_it() -> None:
    found = judged({"dependencies": [known(BAD), known(name="psycopg")]}, 2, {})
    assert found.status == 1
    assert found.lines[0] == "jinja2 3.1.6: PYSEC-2026-1 = CVE-2026-1; mended by 3.1.7"


def test_a_finding_that_was_looked_at_is_told_with_its_reason_and_fails_nothing() -> None:
    found = judged({"dependencies": [known(BAD)]}, 1, {"CVE-2026-1": "templates are ours"})
    assert found.status == 0
    assert found.lines[0] == "jinja2 3.1.6: PYSEC-2026-1 is accepted: templates are ours"


def test_nothing_known_is_said_so_with_how_many_were_asked_about() -> None:
    assert judged({"dependencies": [known(), known(name="psycopg")]}, 2, {}).lines == (
        "2 components asked about, none found",
    )


@pytest.mark.parametrize("answer", [None, {}, {"dependencies": []}, {"dependencies": [SKIPPED]}])
def test_without_an_answer_it_says_so_and_is_not_taken_for_clean(answer: dict[str, Any] | None) -> None:
    found = judged(answer, 2, {})
    assert found.status == 0
    assert [line.startswith("could not ask") for line in found.lines] == [True]


def test_what_was_passed_over_among_others_is_counted() -> None:
    found = judged({"dependencies": [SKIPPED, known(BAD, name="psycopg")]}, 2, {})
    assert found.status == 1
    assert "could not ask about 1 of 2 components" in found.lines


def test_where_the_first_is_not_answered_nobody_is_asked_about_the_others() -> None:
    asked: list[dict[str, str]] = []

    def mute(components: dict[str, str]) -> dict[str, Any]:
        asked.append(components)
        return {"dependencies": [SKIPPED]}

    assert audit(MADE_OF, mute).lines == ("could not ask: of 2 components nobody told whether they are vulnerable",)
    assert asked == [{"jinja2": "3.1.6"}]
    full = {"dependencies": [known(), known(name="psycopg")]}
    assert audit(MADE_OF, lambda _: full).lines == ("2 components asked about, none found",)
