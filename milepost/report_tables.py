"""A report as tables for spreadsheets (CSV, RFC 4180, UTF-8): what objectives came to, and what was missed."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import Protocol

from collector.query.reader import Row
from milepost.reporting import Report

RESULT_HEADS = (
    *("objective", "title", "workflow", "kind", "since", "until", "group", "unit", "target_name", "target"),
    *("good", "bad", "total", "ratio", "met", "budget_allowed", "budget_used", "budget_left_ratio"),
    *("waived", "cancelled", "excluded", "missing"),
    *("closed_at", "closed_good", "closed_bad", "closed_ratio", "closed_target", "restated"),
)
BREACH_HEADS = (
    *("objective", "instance", "title", "keys", "workflow", "workflow_version", "milestone", "part", "due_at"),
    *("arrived_at", "late_seconds", "late_open_seconds", "outcome", "counts_as", "left_out", "exclusions"),
    *("stands_for", "group", "amount", "currency", "verdict", "waived_by", "waived_because", "waived_until"),
    *("slice_until", "slice_items"),
)
_FORMULA = tuple("=+-@＝＋－＠\t\r\n")


class Writable(Protocol):
    """What text can be written to."""

    def write(self, text: str, /) -> object: ...


Cell = str | int | float | bool | None


def write_results(report: Report, file: Writable) -> None:
    """A line for each number: an objective in all, by each target, in each group, and in each currency."""
    write = csv.writer(file)
    write.writerow(RESULT_HEADS)
    for result in report.results:
        for line in _results(result.row):
            write.writerow([_cell(line.get(head)) for head in RESULT_HEADS])


def _results(one: Row) -> Iterator[dict[str, Cell]]:
    about = {name: one[name] for name in ("title", "workflow", "kind", "since", "until")} | {"objective": one["name"]}
    closed = one["closed"]
    kept: dict[str, Cell] = {} if closed is None else {f"closed_{name}": said for name, said in closed.items()}
    yield about | {"unit": one["unit"], "restated": one["restated"]} | _numbers(one) | kept
    for target in one["targets"]:
        yield about | {"unit": one["unit"], "target_name": target["name"]} | _numbers(target)
    for value in one["values"]:
        yield about | {"unit": value["currency"], "target": one["target"]} | _numbers(value)
    for group in one["groups"]:
        name = {"group": _pairs(group["group"].items())}
        yield about | name | {"unit": one["unit"]} | _numbers(group)
        for value in group["values"]:
            yield about | name | {"unit": value["currency"], "target": one["target"]} | _numbers(value)


def _numbers(row: Row) -> dict[str, Cell]:
    return {head: row[head] for head in RESULT_HEADS if head in row and isinstance(row[head], int | float)}


async def write_breaches(report: Report, file: Writable) -> None:
    """A line for each item that was missed or waived, and for each slice of volume that was."""
    write = csv.writer(file)
    write.writerow(BREACH_HEADS)
    for result in report.results:
        name = result.row["name"]
        for one in result.slices:
            line = one | {"due_at": one["since"], "slice_until": one["until"], "slice_items": one["items"]}
            about = {"objective": name, "workflow": result.row["workflow"], "exclusions": "; ".join(one["exclusions"])}
            write.writerow([_cell((line | about).get(head)) for head in BREACH_HEADS])
        for found in (result.bad, result.waived):
            async for item in report.items(result, found.entries):
                line = item | _flat(item) | {"objective": name}
                write.writerow([_cell(line.get(head)) for head in BREACH_HEADS])


def _flat(item: Row) -> dict[str, Cell]:
    value, waiver = item["value"] or {}, item["waiver"] or {}
    return {
        "instance": item["id"],
        "keys": _pairs((key["namespace"], key["value"]) for key in item["keys"]),
        "group": _pairs((item["group"] or {}).items()),
        "exclusions": "; ".join(item["exclusions"]),
        "amount": value.get("amount"),
        "currency": value.get("currency"),
        "waived_by": waiver.get("by"),
        "waived_because": waiver.get("reason"),
        "waived_until": waiver.get("until"),
    }


def _pairs(pairs: Iterable[tuple[str, str | None]]) -> str:
    return "; ".join(f"{name}={'' if value is None else value}" for name, value in pairs)


def _cell(value: Cell) -> Cell:
    """A cell that no spreadsheet takes for a formula: what somebody else wrote is only ever text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str):
        return value
    text = "".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in value)
    return f"'{text}" if text.startswith(("\t", "\n")) or text.lstrip().startswith(_FORMULA) else text
