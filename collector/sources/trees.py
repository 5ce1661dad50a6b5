"""XML as mappings read it: names without namespaces, and attributes beside their element. Pure."""

from __future__ import annotations

import hashlib
from typing import Any
from xml.etree.ElementTree import Element

import msgspec

from collector.sources.sensitive import local_name


def tree_of(element: Element) -> Any:
    """What stands in an element: its text where that is all, else its children by name, as a list where one repeats.

    The attribute `currencyID` of a child `Amount` is `Amount@currencyID`, of the first where it repeats.
    """
    if not len(element):
        return (element.text or "").strip()
    found: dict[str, Any] = {}
    for child in element:
        name, value = local_name(child), tree_of(child)
        for attribute, text in child.attrib.items():
            found.setdefault(f"{name}@{attribute.rpartition('}')[2]}", text)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def child_of(element: Element | None, name: str) -> Element | None:
    """The first child of this name; None where there is none."""
    return next((child for child in element if local_name(child) == name), None) if element is not None else None


def text_at(element: Element | None, *names: str) -> str:
    """The text of the descendant to which these names lead, of the first child of each; empty where there is none."""
    for name in names:
        element = child_of(element, name)
    return "" if element is None else (element.text or "").strip()


def fingerprint(document: Any) -> str:
    """What is the same for equal documents, however their members are ordered, and for no others."""
    return hashlib.sha256(msgspec.json.encode(document, order="sorted")).hexdigest()[:32]
