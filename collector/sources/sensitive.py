"""Taking out of a body what is sensitive, before anything of it is kept. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from xml.etree.ElementTree import Element, tostring

import msgspec

from collector.sources.bodies import form_of, json_of, xml_of
from collector.sources.exchange import Unreadable
from collector.sources.signatures import digest
from slo_rules.adapter import Sensitive

FORM = "application/x-www-form-urlencoded"
HASH_DIGITS = 32
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Hidden:
    """What is sensitive of a source, with the key of its hashes."""

    rule: Sensitive
    key: bytes = field(default=b"", repr=False)

    def hashed(self, value: Any) -> str:
        """What stands for a value: equal values have equal hashes, and nobody without the key finds the value."""
        text = value if isinstance(value, str) else _encode(value).decode()
        return "hash:" + digest(self.key, text.encode("utf-8", "surrogatepass")).hex()[:HASH_DIGITS]


Change = Callable[[Any], Any]
"""What becomes of a value; _GONE when it goes."""
_GONE: Any = object()


def without(body: bytes, media: str, hidden: Hidden) -> bytes:
    """A body of JSON, XML or a form without what is sensitive. Raises Unreadable."""
    if media == FORM:
        form: dict[str, Any] = dict(form_of(body))
        hide(form, hidden)
        return urlencode(form).encode()
    if media.endswith(("/xml", "+xml")):
        root = xml_of(body)
        for path, change in _changes(hidden):
            _change_elements([root], path.split("."), change)
        found: bytes = tostring(root, encoding="utf-8")
        return found
    document = json_of(body)
    hide(document, hidden)
    return _encode(document)


def hide(document: Any, hidden: Hidden) -> None:
    """Take what is sensitive out of JSON. What a path finds in a list is taken out of each of its entries."""
    try:
        for path, change in _changes(hidden):
            _change(document, path.split("."), change)
    except RecursionError as error:
        raise Unreadable("nested too deeply") from error


def _changes(hidden: Hidden) -> list[tuple[str, Change]]:
    found: list[tuple[str, Change]] = [(path, lambda _: _GONE) for path in hidden.rule.drop]
    return found + [(path, hidden.hashed) for path in hidden.rule.hash]


def _change(branch: Any, names: list[str], change: Change) -> None:
    if isinstance(branch, list):
        numbered = names[0].isdecimal() and len(names) > 1
        for index, entry in enumerate(branch):
            if numbered and index == int(names[0]):
                _change(entry, names[1:], change)
            _change(entry, names, change)
        return
    if not isinstance(branch, dict):
        return
    # A name may hold dots itself: every way to cut the path into names is gone.
    for cut in range(1, len(names) + 1):
        name = ".".join(names[:cut])
        if branch.get(name) is None:
            continue
        if cut < len(names):
            _change(branch[name], names[cut:], change)
        elif (value := change(branch[name])) is _GONE:
            del branch[name]
        else:
            branch[name] = value


def _change_elements(parents: list[Element], names: list[str], change: Change) -> None:
    """Elements are named without their namespace, and anywhere below the root."""
    for parent in parents:
        for child in list(parent):
            if local_name(child) != names[0]:
                _change_elements([child], names, change)
            elif len(names) > 1:
                _change_elements([child], names[1:], change)
            elif (value := change("".join(child.itertext()))) is _GONE:
                parent.remove(child)
            else:
                for inner in list(child):
                    child.remove(inner)
                child.text = value


def local_name(element: Element) -> str:
    """The name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]
