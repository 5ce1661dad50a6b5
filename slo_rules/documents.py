"""YAML text to plain values that remember their lines.

PyYAML's composer keeps positions but its constructor drops them, so nodes are converted here. Only JSON-like
values exist: no tags, no dates, no anchors that blow up (the number of values is bounded).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.reader import ReaderError

from slo_rules.faults import Fault

Path = tuple[str | int, ...]
MAX_VALUES = 50_000
MAX_DEPTH = 40


def _text(text: str) -> str:
    if "\x00" in text:
        raise ValueError("a text must not hold NUL")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a text must not hold half a surrogate pair") from None
    return text


def _integer(text: str) -> int:
    try:
        number = int(text.replace("_", ""), 0)
    except ValueError:
        raise ValueError("a number is written 12, 0x1F or 0b101; put a text in quotes") from None
    if not -(2**63) <= number < 2**64:
        raise ValueError("a number must fit 64 bits; put a longer id in quotes")
    return number


def _float(text: str) -> float:
    try:
        number = float(text.replace("_", ""))
    except ValueError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("a number is finite and written 12.5; put a text in quotes")
    return number


def _bool(text: str) -> bool:
    if (word := text.lower()) not in ("true", "false"):
        raise ValueError("it must be true or false")
    return word == "true"


_SCALARS: dict[str, Any] = {
    "tag:yaml.org,2002:str": _text,
    "tag:yaml.org,2002:int": _integer,
    "tag:yaml.org,2002:float": _float,
    "tag:yaml.org,2002:bool": _bool,
    "tag:yaml.org,2002:null": lambda _text: None,
    "tag:yaml.org,2002:timestamp": _text,
    "tag:yaml.org,2002:value": _text,  # a plain `=`
}
_LIST = "tag:yaml.org,2002:seq"
_MAPPING = "tag:yaml.org,2002:map"


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: its value, the file it came from, and the 1-based line of every path in it."""

    file: str
    value: Any
    lines: dict[Path, int]

    def line(self, path: Path) -> int:
        """The line of the nearest known ancestor of `path`."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 1)


class _Unusable(Exception):
    def __init__(self, node: yaml.Node, message: str) -> None:
        self.line = node.start_mark.line + 1
        self.message = message
        super().__init__(message)


def load_documents(text: str, file: str) -> tuple[list[Document], list[Fault]]:
    """Every document of a YAML text, and the faults that kept one from being read."""
    documents: list[Document] = []
    faults: list[Fault] = []
    try:
        for node in yaml.compose_all(text, Loader=_Loader):
            if node is None or _is_null(node):
                continue
            lines: dict[Path, int] = {}
            try:
                value = _convert(node, (), lines, 0)
            except _Unusable as unusable:
                faults.append(Fault(file, unusable.line, "", unusable.message))
            else:
                documents.append(Document(file, value, lines))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        faults.append(Fault(file, mark.line + 1 if mark else 1, "", f"not YAML: {error.problem or error}"))
    except ReaderError as error:
        character = f"the character U+{error.character:04X}"
        line = text.count("\n", 0, error.position) + 1
        faults.append(Fault(file, line, "", f"not YAML: {character} is not allowed"))
    except RecursionError:
        faults.append(Fault(file, 1, "", "not YAML: nested too deeply"))
    except (yaml.YAMLError, ValueError) as error:
        faults.append(Fault(file, 1, "", f"not YAML: {error}"))
    return documents, faults


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads a key `on:` as true, and `on` is a word of our language; only true and false are booleans."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _scalar(node: yaml.ScalarNode, tag: str) -> Any:
    convert = _SCALARS.get(tag)
    if convert is None:
        raise _Unusable(node, f"the tag {tag!r} is not allowed; use plain values")
    try:
        return convert(node.value)
    except ValueError as error:
        raise _Unusable(node, f"{node.value[:80]!r} is not a value: {error}") from error


def _convert(node: yaml.Node, path: Path, lines: dict[Path, int], depth: int) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if len(lines) > MAX_VALUES:
        raise _Unusable(node, f"the document has more than {MAX_VALUES} values")
    if depth > MAX_DEPTH:
        raise _Unusable(node, f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, node.tag)
    if node.tag != (_LIST if isinstance(node, yaml.SequenceNode) else _MAPPING):
        raise _Unusable(node, f"the tag {node.tag!r} is not allowed; use plain values")
    if isinstance(node, yaml.SequenceNode):
        return [_convert(child, (*path, index), lines, depth + 1) for index, child in enumerate(node.value)]
    assert isinstance(node, yaml.MappingNode)
    value: dict[str, Any] = {}
    for key_node, child in node.value:
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
            raise _Unusable(key_node, "a key must be plain text")
        if key_node.tag not in _SCALARS:
            raise _Unusable(key_node, f"the tag {key_node.tag!r} is not allowed; use plain values")
        key = _scalar(key_node, "tag:yaml.org,2002:str")
        if key in value:
            raise _Unusable(key_node, f"the key {key!r} is written twice")
        lines[(*path, key)] = key_node.start_mark.line + 1
        value[key] = _convert(child, (*path, key), lines, depth + 1)
    return value
