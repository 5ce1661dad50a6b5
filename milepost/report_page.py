"""A report as one page of HTML that needs nothing but itself: for auditors and customers, on screen and on paper."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from itertools import islice
from uuid import UUID
from zoneinfo import ZoneInfo

from collector.query.counted_items import Found
from collector.query.reader import Row
from collector.query.results import Result
from dashboard import wording
from dashboard.retelling import retold
from milepost.html_text import Content, Markup, element, markup
from milepost.report_style import STYLE
from milepost.reporting import Report
from slo_rules.instants import to_datetime

Write = Callable[[str], object]
MOST_SLICES = 500
_MEANS = {
    "good": "counts as kept",
    "bad": "counts as missed",
    "exclude": "counts as neither kept nor missed",
    "alert": "counts as neither kept nor missed, and the objective says that it is not known",
}


async def write_page(report: Report, write: Write, most: int) -> None:
    """Write the page piece by piece; of each objective so many breaches are told in full."""
    page = _Page(report)
    write("<!DOCTYPE html>\n")
    write(f'<html lang="en"><head><meta charset="utf-8"><title>{page.title}</title>')
    write('<meta name="viewport" content="width=device-width, initial-scale=1">')
    write("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">")
    write(f"<style>{STYLE}</style></head><body><main>")
    write(page.head())
    write(page.summary())
    for result in report.results:
        write("<section>")
        write(page.numbers(result))
        await _write_breaches(report, page, result, write, most)
        write("</section>\n")
    write(page.foot())
    write("</main></body></html>\n")


async def _write_breaches(report: Report, page: _Page, result: Result, write: Write, most: int) -> None:
    if result.slices:
        write(page.slices(result))
    if result.bad.entries:
        write(element("h3", _heading(result)))
        async for item in report.items(result, result.bad.entries[:most]):
            story = await report.story(UUID(item["id"]))
            if story is not None:
                write(page.breach(item, story))
        write(_more(result.bad, most))
    if result.waived.entries:
        write(element("h3", f"Waived: {wording.count(result.waived.total)}"))
        told = [item async for item in report.items(result, result.waived.entries[:most])]
        write(page.waived(told))
        write(_more(result.waived, most))


def _heading(result: Result) -> str:
    bad = result.bad
    what = "Changes that were stale" if result.asked.objective.kind == "freshness" else "Missed"
    left_out = f", and {wording.count(bad.left_out)} that count otherwise or not at all" if bad.left_out else ""
    return f"{what}: {wording.count(bad.total)}{left_out}"


def _more(found: Found, most: int) -> Markup:
    left = len(found.entries) - most
    return element("p", f"And {wording.count(left)} more, which breaches.csv lists.") if left > 0 else Markup("")


class _Page:
    """The parts of the page, with the times on the wall of the zone that was asked for."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._zone = ZoneInfo(report.question.zone)
        whose = f" of {report.question.whose}" if report.question.whose else ""
        self.title = markup(f"What was promised and kept{whose}, {report.question.period}")

    def at(self, text: str | None) -> Content:
        """An instant to the second, which does not break."""
        if text is None:
            return wording.DASH
        return element("span", f"{datetime.fromisoformat(text).astimezone(self._zone):%Y-%m-%d %H:%M:%S}", class_="t")

    def head(self) -> Markup:
        """What the page is about, and what it was made of."""
        report, question = self._report, self._report.question
        span = f"{_minute(question.since, self._zone)} to {_minute(question.until, self._zone)}, {question.zone}"
        received = self.at(None if report.received_at is None else report.received_at.isoformat())
        facts: list[tuple[str, Content]] = [
            ("Time", span + ("" if question.over else " (not over yet)")),
            ("Made", [self.at(report.made_at.isoformat()), f" by Milepost {version('milepost')}"]),
            ("Made of", [f"the log up to event {report.seq}, received ", received]),
        ]
        if question.where:
            facts.insert(1, ("Only", f"instances with {question.whose}, counted one by one"))
        notes: list[Content] = [f"Times are those of {question.zone}; where a sentence names another zone, of that."]
        if question.where:
            notes.append(" What periods came to when they were closed is kept for all instances only, and not shown.")
        if report.left_out:
            notes.append(f" Left out, for their instances cannot be told apart so: {', '.join(report.left_out)}.")
        return markup(
            [
                element("p", "Milepost · service level report", class_="eyebrow"),
                element("h1", self.title),
                _facts(facts),
                element("p", notes, class_="note"),
            ]
        )

    def summary(self) -> Markup:
        """One line for each objective."""
        rows = []
        for result in self._report.results:
            one = result.row
            cells = (element("a", one["title"], href=f"#{_anchor(one['name'])}"), *self._figures(one))
            rows.append(cells)
        return markup([element("h2", "In short"), _table(("Objective", *_FIGURES), rows, "summary")])

    def numbers(self, result: Result) -> Markup:
        """Everything that an objective came to."""
        one = result.row
        promise = one["description"][:1].upper() + one["description"][1:]
        parts: list[Content] = [
            element("h2", one["title"], id=_anchor(one["name"])),
            element("p", f"{promise}, for {wording.target(one['target'])} of {_counted_in(one)}."),
            _table(("", *_FIGURES), [("All", *self._figures(one)), *self._by_targets(one)], "summary"),
            self._closed(one),
        ]
        if one["values"]:
            parts += [element("h3", "By value"), self._by_value([(None, one)])]
        if one["groups"]:
            rows = [(_group(group["group"]), *self._figures(group)) for group in one["groups"]]
            parts += [element("h3", "In groups"), _table((_names(one["group_by"]), *_FIGURES), rows, "summary")]
            if any(group["values"] for group in one["groups"]):
                parts.append(self._by_value([(_group(group["group"]), group) for group in one["groups"]]))
        neutral = list(_neutral(one, self))
        if neutral:
            parts += [element("h3", "What was neutral"), element("ul", [element("li", line) for line in neutral])]
        if one["exclusions"]:
            rows = [(self.at(e["since"]), self.at(e["until"]), e["reason"]) for e in one["exclusions"]]
            parts += [element("h3", "Times that were excluded"), _table(("From", "Until", "Why"), rows)]
        return markup(parts)

    def _figures(self, one: Row) -> tuple[Content, ...]:
        return (
            _figure(wording.target(one["target"])),
            _figure(wording.percent(one["ratio"], 2)),
            _figure(wording.count(one["total"])),
            _figure(wording.count(one["bad"])),
            _figure(_budget_used(one)),
            _verdict(one["met"], over=self._report.question.over),
        )

    def _by_targets(self, one: Row) -> list[tuple[Content, ...]]:
        return [(f"All, by the target “{of['name']}”", *self._figures(of)) for of in one["targets"]]

    def _by_value(self, of: Iterable[tuple[str | None, Row]]) -> Markup:
        rows = [
            (
                *(() if name is None else (name,)),
                value["currency"],
                *(_figure(wording.one_money(value[part], value["currency"])) for part in ("total", "bad")),
                _figure(wording.percent(value["ratio"], 2)),
                _figure(wording.one_money(value["waived"], value["currency"]) if value["waived"] else wording.DASH),
            )
            for name, one in of
            for value in one["values"]
        ]
        heads = ("Currency", "Worth of all", "Of what was missed", "Kept", "Waived")
        return _table(("Group", *heads) if rows and len(rows[0]) > len(heads) else heads, rows)

    def _closed(self, one: Row) -> Content:
        closed = one["closed"]
        if closed is None:
            return None
        came = f"{wording.percent(closed['ratio'], 2)} ({_pair(closed['good'], closed['bad'])})"
        said: list[Content] = ["When it was closed, at ", self.at(closed["at"]), f", it came to {came}"]
        said.append(f" by a target of {wording.target(closed['target'])}: {_kept(closed['met'], over=True).lower()}.")
        if one["restated"]:
            now = _pair(one["good"], one["bad"])
            said.append(element("strong", f" Restated since: what came late has made it {now}."))
        return element("p", said)

    def slices(self, result: Result) -> Markup:
        """The slices in which there was too little or too much, or the silences of a source."""
        rows = [
            (
                self.at(one["since"]),
                self.at(one["until"]),
                _figure(wording.count(one["items"])),
                one["expected"],
                _left_out(one) or "Missed",
            )
            for one in islice(result.slices, MOST_SLICES)
        ]
        heads = ("From", "Until", "Items", "Should be", "Counts as")
        what = "Silences" if result.asked.objective.source else "Slices missed"
        parts = [element("h3", f"{what}: {wording.count(len(result.slices))}"), _table(heads, rows)]
        if len(result.slices) > MOST_SLICES:
            parts.append(element("p", f"And {len(result.slices) - MOST_SLICES} more, which breaches.csv lists."))
        return markup(parts)

    def breach(self, item: Row, story: Row) -> Markup:
        """One missed item: what was due, what came, by which events, and the arithmetic between the two."""
        parts: list[Content] = [
            element("h4", [item["title"], element("span", _late(item), class_="late")]),
            element("p", [_about(item), element("code", item["id"])], class_="about"),
        ]
        if left_out := _left_out(item):
            parts.append(element("p", element("strong", left_out)))
        lines = item["arithmetic"] or story["arithmetic"]
        if lines:
            parts.append(element("ol", [element("li", line) for line in lines]))
        rows = [
            (step["title"], *self._came(step, story))
            for step in story["journey"]
            if step["at"] is not None or step["name"] == item["milestone"] or step["deadline_at"] is not None
        ]
        parts.append(_table(("Milestone", "When", "Its deadline", "By event", "Received"), rows, "journey"))
        state = f"{wording.verdict_label(story['verdict'])}. {retold(story['explanation'])}"
        parts.append(element("p", [element("strong", "How it stands: "), state]))
        return element("article", *parts)

    def _came(self, step: Row, story: Row) -> tuple[Content, ...]:
        event = next(
            (one for one in story["events"] if one["id"] == step["event_id"] and one["milestone"] == step["name"]), None
        )
        said: Content = wording.DASH
        if event is not None:
            said = [f"{event['source']} · {event['type']} · ", element("code", event["id"])]
        when: Content = self.at(step["at"]) if step["at"] is not None else wording.state_label(step["state"])
        return when, self.at(step["deadline_at"]), said, self.at(event["received_at"] if event else None)

    def waived(self, items: Sequence[Row]) -> Markup:
        """What somebody took out of the count, and why."""
        rows = [
            (
                [element("strong", item["title"]), " ", element("code", item["id"])],
                self.at(item["due_at"]),
                item["waiver"]["by"] if item["waiver"] else wording.DASH,
                item["waiver"]["reason"] if item["waiver"] else wording.DASH,
                [self.at(item["waiver"]["at"]), " until ", self.at(item["waiver"]["until"])] if item["waiver"] else "",
            )
            for item in items
        ]
        return _table(("What", "Due", "Waived by", "Why", "When"), rows)

    def foot(self) -> Markup:
        """How the figures come about."""
        return element(
            "footer",
            element("h2", "How this is counted"),
            element(
                "p",
                "An item counts in the time in which its deadline falls, and is missed at its deadline, whether or not "
                "it ever comes. What comes late restates a time that is over. The share that was kept is what was in "
                "time of all that counts; the budget is what may miss by the target that was in force at the end. "
                "What was waived while it was late, called off, or due in an excluded time counts neither way.",
            ),
        )


_FIGURES = ("Promised", "Kept", "Counted", "Missed", "Budget used", "Result")
_NUMERIC = frozenset(("Promised", "Kept", "Counted", "Missed", "Budget used", "Worth of all", "Of what was missed",
                      "Waived", "Items"))  # fmt: skip


class _Figure(Markup):
    """A cell that is flush right."""

    __slots__ = ()


def _figure(text: str) -> _Figure:
    return _Figure(markup(text))


def _minute(at: int, zone: ZoneInfo) -> str:
    return f"{to_datetime(at).astimezone(zone):%Y-%m-%d %H:%M}"


def _anchor(name: str) -> str:
    return "".join(one if one.isalnum() else "-" for one in name)


def _facts(facts: Iterable[tuple[str, Content]]) -> Markup:
    return element("dl", [markup([element("dt", name), element("dd", said)]) for name, said in facts])


def _table(heads: Sequence[str], rows: Iterable[Sequence[Content]], class_: str | None = None) -> Markup:
    head = element("tr", [element("th", one, scope="col", class_="n" if one in _NUMERIC else None) for one in heads])
    body = [
        element("tr", [element("td", cell, class_="n" if isinstance(cell, _Figure) else None) for cell in row])
        for row in rows
    ]
    return element("table", element("thead", head), element("tbody", body), class_=class_)


def _verdict(met: bool | None, *, over: bool) -> Markup:
    return element("span", _kept(met, over=over), class_=None if met is None else "kept" if met else "missed")


def _kept(met: bool | None, *, over: bool) -> str:
    if met is None:
        return "Nothing counted"
    if not over:
        return "Kept so far" if met else "Not kept so far"
    return "Kept" if met else "Missed"


def _budget_used(one: Row) -> str:
    left = one["budget_left_ratio"]
    return wording.DASH if left is None else f"{1 - left:,.0%}".replace("%", " %")


def _pair(good: float, bad: float) -> str:
    return f"{wording.count(good)} in time, {wording.count(bad)} missed"


def _counted_in(one: Row) -> str:
    return "all slices of time" if one["unit"] == "slices" else "all items"


def _neutral(one: Row, page: _Page) -> Iterable[Content]:
    def so_many(name: str) -> str:
        return wording.plural(one[name], one["unit"].removesuffix("s"))

    if one["waived"]:
        yield f"Waived by somebody while late: {so_many('waived')}, listed below."
    if one["cancelled"]:
        yield f"Called off before completing: {so_many('cancelled')}."
    if one["excluded"]:
        yield f"In excluded times: {so_many('excluded')}."
    if one["missing_source"]:
        meant = f"what falls due meanwhile {_MEANS[one['missing_data']]}"
        yield [
            "Since ",
            page.at(one["missing_since"]),
            f" {one['missing_source']} has sent nothing; {meant}: {so_many('missing')}.",
        ]


def _group(group: Mapping[str, str | None]) -> str:
    return ", ".join(f"{name} {wording.DASH if value is None else value}" for name, value in group.items())


def _names(names: Sequence[str]) -> str:
    return " and ".join(map(wording.humanise, names))


def _late(item: Row) -> str:
    if item["late_seconds"] is None:
        return "ended without success"
    late = f"{wording.duration(item['late_seconds'])} late"
    if item["late_open_seconds"] is not None:
        late += f", {wording.duration(item['late_open_seconds'])} of them open"
    return late if item["arrived_at"] else f"{late}, not there yet"


def _left_out(item: Row) -> str:
    if item["counts_as"] == item["outcome"]:
        return ""
    if item["left_out"] == "excluded":
        return f"Does not count: it was due in an excluded time ({', '.join(item['exclusions'])})."
    if item["left_out"] == "missing":
        return "Does not count: nothing was known when it fell due."
    return "Counts as kept: nothing was known when it fell due."


def _about(item: Row) -> str:
    keys = ", ".join(f"{key['namespace']} {key['value']}" for key in item["keys"])
    part = f" · part {item['part']}" if item["part"] else ""
    worth = f" · worth {wording.money(item['value'])}" if item["value"] else ""
    return f"{keys}{part}{worth} · {item['workflow']}, definition version {item['workflow_version']} · "
