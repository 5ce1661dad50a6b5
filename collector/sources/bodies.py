"""What stands in the bodies that systems send: JSON, forms and XML, within bounds."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from collector.ingest.cloudevents import MAX_DEPTH
from collector.sources.exchange import Unreadable

MAX_ITEMS = 10_000
MAX_ELEMENTS = 100_000
_decode = msgspec.json.Decoder().decode


def json_of(body: bytes) -> Any:
    """The JSON of a body. Raises Unreadable."""
    try:
        return _decode(body)
    except RecursionError as error:
        raise Unreadable(f"nested more than {MAX_DEPTH} levels deep") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(f"not JSON: {error}") from error


def object_of(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises Unreadable."""
    found = json_of(body)
    if not isinstance(found, dict):
        raise Unreadable("not a JSON object")
    return found


def members_of(body: bytes) -> list[Any]:
    """The members of a JSON array. Raises Unreadable."""
    found = json_of(body)
    if not isinstance(found, list):
        raise Unreadable("not a JSON array")
    if len(found) > MAX_ITEMS:
        raise Unreadable(f"has {len(found)} entries; at most {MAX_ITEMS} are taken at once")
    return found


def form_of(body: bytes) -> dict[str, str]:
    """The fields of an HTML form; of those that come twice the last counts. Raises Unreadable."""
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_ITEMS, errors="strict"))
    except (UnicodeDecodeError, ValueError) as error:
        raise Unreadable(f"not a form: {error}") from error


def xml_of(body: bytes) -> Element:
    """The root of an XML document without DTD and entities, not nested deeply. Raises Unreadable."""
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except DefusedXmlException as error:
        raise Unreadable("XML with a document type or entities is not taken") from error
    except (ParseError, ValueError, LookupError) as error:
        raise Unreadable(f"not XML: {error}") from error
    level, elements = [root], 0
    for _ in range(MAX_DEPTH):
        elements += len(level)
        level = [child for parent in level for child in parent]
        if elements + len(level) > MAX_ELEMENTS:
            raise Unreadable(f"has more than {MAX_ELEMENTS} elements")
        if not level:
            return root
    raise Unreadable(f"nested more than {MAX_DEPTH} levels deep")
