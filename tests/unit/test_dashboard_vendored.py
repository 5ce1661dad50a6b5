"""The smaller Plotly that the browser is sent: of the very version whose figures are drawn, and enough for all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dashboard
from dashboard import vendored
from dashboard.vendored import FOLDER, PLOTLY, slimmer

DRAWN_BY_BASIC = {"bar", "pie", "scatter"}


def test_it_is_of_the_version_that_is_installed() -> None:
    assert slimmer(PLOTLY), "after an upgrade of plotly: plotly.js-basic-dist-min of the version it carries"
    assert "MIT" in (FOLDER / "plotly-LICENSE.txt").read_text("utf-8")


def test_with_a_plotly_of_another_version_its_own_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendored, "get_plotlyjs_version", lambda: "4.1")
    assert slimmer(PLOTLY) is None


def test_other_bundles_are_sent_as_they_are() -> None:
    assert slimmer("dash_html_components/dash_html_components.min.js") is None


def test_it_draws_every_kind_of_trace_there_is() -> None:
    home = Path(dashboard.__file__).parent
    text = "".join(path.read_text("utf-8") for path in home.rglob("*.py"))
    kinds = {name.lower() for name in re.findall(r"go\.([A-Z][a-z]+)\(", text)} - {"figure"}
    kinds |= set(re.findall(r"\.add_([a-z]+)\(", text)) - {"annotation", "hline", "vline", "hrect", "vrect"}
    assert kinds
    assert kinds <= DRAWN_BY_BASIC
