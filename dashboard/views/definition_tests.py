"""The tests of a definition: how they ended, what they cover of it, and what none of them does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html

from dashboard import components as c
from dashboard import wording
from dashboard.query_port import Row

_UNTESTED = {
    "milestone": "{title} is reached in no test",
    "deadline": "the deadline of {title} is missed in no test",
    "signal": "no test has an event of {title}",
    "objective": "no test asks what {title} comes to",
}


def tests_card(found: Row) -> html.Section:
    """All of it: one line that says how they ended, then what failed, what passed, and what is not covered."""
    return c.card([_headline(found), *_body(found)], "Tests", _when(found), anchor="tests")


def tests_in_short(counts: Mapping[str, int] | None) -> Any:
    """For a list of workflows: `5 passed`, `1 of 5 failed` or none; a dash where it is not known yet."""
    if counts is None:
        return wording.DASH
    if not counts["tests"]:
        return html.Span("none", className="low")
    if counts["failed"]:
        failed = f"{wording.count(counts['failed'])} of {wording.count(counts['tests'])} failed"
        return html.Span([c.mark("failed"), failed], className="tested failing")
    return html.Span([c.mark("reached"), f"{wording.count(counts['tests'])} passed"], className="tested")


def tested_words(one: Row | None) -> Any:
    """Of a milestone: `reached in 4, missed in 1`; what is not covered stands out."""
    if one is None:
        return wording.DASH
    if not one["reached"] and not one["missed"]:
        return html.Span("in no test", className="low")
    told = [f"reached in {wording.count(one['reached'])}"]
    if one["promised"]:
        missed = f"missed in {wording.count(one['missed'])}"
        told.append(missed if one["missed"] else "never missed")
    words = ", ".join(told)
    return words if one["reached"] and (one["missed"] or not one["promised"]) else html.Span(words, className="low")


def _when(found: Row) -> Any:
    if not found["ran_at"]:
        return None
    return [c.at_time(found["ran_at"]), f", in {found['seconds']:.1f} s"]


def _headline(found: Row) -> Any:
    tests = found["tests"]
    failed = [one for one in tests if not one["passed"]]
    if found["state"] == "running":
        return c.quiet("The tests are being run. This page says how they ended as soon as they have.")
    if found["state"] == "failed":
        return html.P([c.mark("failed"), "The tests could not be run."], className="tested failing")
    if not tests:
        return c.quiet(
            [
                "No test asks about this workflow. Tests stand beside definitions, in files named ",
                html.Code("*.test.yaml"),
                ", and are run here and by ",
                html.Code("milepost test"),
                ".",
            ]
        )
    if failed:
        told = f"{wording.count(len(failed))} of {wording.plural(len(tests), 'test')} failed."
        return html.P([c.mark("failed"), told], className="tested failing")
    return html.P([c.mark("reached"), f"{wording.plural(len(tests), 'test')}, all passed."], className="tested")


def _body(found: Row) -> list[Any]:
    body: list[Any] = [html.Ul([html.Li(html.Code(fault)) for fault in found["faults"]], className="changes")]
    body = body if found["faults"] else []
    if not found["in_force"]:
        body.append(
            html.P("The files say something else by now than what is in force: start Milepost anew.", className="low")
        )
    failed = [one for one in found["tests"] if not one["passed"]]
    passed = [one for one in found["tests"] if one["passed"]]
    body += [_failed(one) for one in failed]
    if passed:
        body.append(
            html.Details(
                [
                    html.Summary(f"{wording.plural(len(passed), 'test')} passed"),
                    html.Ul([html.Li(_named(one, "reached")) for one in passed], className="test-names"),
                ]
            )
        )
    if found["tests"] and found["untested"]:
        body.append(_uncovered(found["untested"]))
    return body


def _named(one: Row, mark: str) -> list[Any]:
    place = f"{one['file']}:{one['line']}"
    return [c.mark(mark), html.Span(wording.humanise(one["name"])), html.Span(place, className="sub")]


def _failed(one: Row) -> html.Div:
    return html.Div(
        [html.Div(_named(one, "failed"), className="test-name"), html.Pre(one["details"], tabIndex=0)],
        className="test-failed",
    )


def _uncovered(untested: Sequence[Row]) -> html.Div:
    lines = [_UNTESTED[one["what"]].format(title=one["title"]) for one in untested]
    return html.Div(
        [
            html.H3("Not covered by any test"),
            html.Ul([html.Li(line[0].upper() + line[1:] + ".") for line in lines], className="changes"),
        ],
        className="untested",
    )
