"""YAML that people read: fields in the order in which they were said, texts of several lines as they stand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

_OTHER_BREAKS = frozenset("\r\x85\u2028\u2029")


class _Dumper(yaml.SafeDumper):
    pass


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Only between double quotes are other line breaks than a plain one written so that they stay what they are.
    style = '"' if not _OTHER_BREAKS.isdisjoint(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def spell_yaml(documents: Iterable[Any]) -> str:
    """One text with these documents of plain values, the same for the same values."""
    dumped = yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)
    return str(dumped)
