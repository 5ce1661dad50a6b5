"""Reading plain values into a model while collecting every fault with its place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from slo_rules.documents import Document, Path
from slo_rules.durations import parse_duration
from slo_rules.faults import Fault

T = TypeVar("T")
NAME = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,61}[a-z0-9])?")


def spelled(path: Path) -> str:
    """`("spec", "milestones", 2, "on")` → `spec.milestones[2].on`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def suggestion(word: str, known: Iterable[str]) -> str:
    """` — did you mean 'x'?`, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" — did you mean {close[0]!r}?" if close else ""


class Reader:
    """One value of a document with its path. Every `fault` lands in the list shared by all readers of the document."""

    def __init__(self, document: Document, faults: list[Fault], value: Any, path: Path = ()) -> None:
        self.document = document
        self.faults = faults
        self.value = value
        self.path = path

    def fault(self, message: str, path: Path | None = None) -> None:
        """Note a fault at this value, or at a path below it."""
        place = self.path if path is None else path
        self.faults.append(Fault(self.document.file, self.document.line(place), spelled(place), message))

    def noting(self, faults: list[Fault]) -> Reader:
        """The same value, whose faults land in another list."""
        return Reader(self.document, faults, self.value, self.path)

    def at(self, key: str | int) -> Reader:
        """The reader of a member that is there."""
        return Reader(self.document, self.faults, self.value[key], (*self.path, key))

    def mapping(self, known: Iterable[str] | None = None, required: Iterable[str] = ()) -> bool:
        """Whether this is a mapping; unknown and missing fields are faults."""
        if not isinstance(self.value, dict):
            self.fault(f"must be a mapping, not {_kind(self.value)}")
            return False
        if known is not None:
            names = list(known)
            for key in self.value:
                if key not in names:
                    self.fault(f"unknown field {key!r}{suggestion(key, names)}", (*self.path, key))
        for key in required:
            if key not in self.value or self.value[key] is None:
                self.fault(f"the field {key!r} is missing")
        return True

    def optional(self, key: str) -> Reader | None:
        """The reader of a member, or None where it is absent or null."""
        if isinstance(self.value, dict) and self.value.get(key) is not None:
            return self.at(key)
        return None

    def text(self, *, longest: int = 500) -> str:
        """A non-empty text; the empty text after a fault."""
        if isinstance(self.value, (int, float)) and not isinstance(self.value, bool):
            self.value = str(self.value)
        if not isinstance(self.value, str) or not self.value.strip():
            self.fault(f"must be text, not {_kind(self.value)}")
            return ""
        if len(self.value) > longest or "\x00" in self.value:
            self.fault(f"must be text of at most {longest} characters without NUL")
            return ""
        return self.value

    def name(self) -> str:
        """A name: lower-case letters, digits, `-`, `_`, `.`; at most 63 characters."""
        text = self.text()
        if text and not NAME.fullmatch(text):
            self.fault(
                f"{text[:80]!r} is not a name: use lower-case letters, digits, '-', '_' or '.', at most 63 characters"
            )
            return ""
        return text

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            self.fault(f"must be true or false, not {_kind(self.value)}")
            return False
        return self.value

    def duration(self) -> int | None:
        """Micros of a duration."""
        if not isinstance(self.value, (str, int, float)) or isinstance(self.value, bool):
            self.fault(f"must be a duration such as 4h, not {_kind(self.value)}")
            return None
        try:
            return parse_duration(str(self.value))
        except ValueError as error:
            self.fault(str(error))
            return None

    def each(self, read: Callable[[Reader], T], *, longest: int = 200) -> list[T]:
        """What `read` makes of every member of a list."""
        if not isinstance(self.value, list):
            self.fault(f"must be a list, not {_kind(self.value)}")
            return []
        if len(self.value) > longest:
            self.fault(f"has {len(self.value)} entries; at most {longest} are allowed")
            return []
        return [read(self.at(index)) for index in range(len(self.value))]


def _kind(value: Any) -> str:
    kinds = {dict: "a mapping", list: "a list", str: "an empty text" if value == "" else "text", bool: "true/false"}
    return kinds.get(type(value), "nothing" if value is None else "a number")
