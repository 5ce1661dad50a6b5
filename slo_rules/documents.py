"""YAML text to plain values that remember their lines.

PyYAML's composer keeps positions but its constructor drops them, so nodes are converted here. Only JSON-like
values exist: no tags, no dates, no anchors that blow up (the number of values is bounded).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from slo_rules.faults import Fault

Path = tuple[str | int, ...]
MAX_VALUES = 50_000
MAX_DEPTH = 40

_SCALARS: dict[str, Any] = {
    "tag:yaml.org,2002:str": str,
    "tag:yaml.org,2002:int": lambda text: int(text.replace("_", ""), 0),
    "tag:yaml.org,2002:float": lambda text: float(text.replace("_", "")),
    "tag:yaml.org,2002:bool": lambda text: text.lower() in ("true", "yes", "on"),
    "tag:yaml.org,2002:null": lambda _text: None,
    "tag:yaml.org,2002:timestamp": str,
}


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
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        faults.append(Fault(file, 1, "", f"not YAML: {str(error) or 'nested too deeply'}"))
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


def _convert(node: yaml.Node, path: Path, lines: dict[Path, int], depth: int) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if len(lines) > MAX_VALUES:
        raise _Unusable(node, f"the document has more than {MAX_VALUES} values")
    if depth > MAX_DEPTH:
        raise _Unusable(node, f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(node, yaml.ScalarNode):
        convert = _SCALARS.get(node.tag)
        if convert is None:
            raise _Unusable(node, f"the tag {node.tag!r} is not allowed; use plain values")
        try:
            return convert(node.value)
        except ValueError as error:
            raise _Unusable(node, f"{node.value[:80]!r} is not a value: {error}") from error
    if isinstance(node, yaml.SequenceNode):
        return [_convert(child, (*path, index), lines, depth + 1) for index, child in enumerate(node.value)]
    assert isinstance(node, yaml.MappingNode)
    value: dict[str, Any] = {}
    for key_node, child in node.value:
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
            raise _Unusable(key_node, "a key must be plain text")
        key = key_node.value
        if key in value:
            raise _Unusable(key_node, f"the key {key!r} is written twice")
        lines[(*path, key)] = key_node.start_mark.line + 1
        value[key] = _convert(child, (*path, key), lines, depth + 1)
    return value
