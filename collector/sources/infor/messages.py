"""What ION brings by its messaging service (IMS): parameters, and a document that may be compressed. Pure.

Three forms, https://docs.infor.com (ION sends a message to an application): `multipartMessage` with the parts
`ParameterRequest` and `MessagePayload`, `message` with the document within its JSON, and the document alone.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from dataclasses import dataclass, field
from typing import Any

import msgspec

from collector.sources.bodies import object_of
from collector.sources.exchange import Unreadable

MAX_DOCUMENT = 16 * 2**20
_MOST_PARTS = 16
_BOUNDARY = re.compile(r'boundary=(?:"([^"\r\n]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
_NAME = re.compile(rb'content-disposition:[^\r\n]*?[;\s]name="?([A-Za-z]+)"?', re.IGNORECASE)
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_HEAD = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Message:
    """A document, decoded, with what ION says of it; nothing where it was posted alone."""

    document: bytes
    parameters: dict[str, Any] = field(default_factory=dict)


def message_of(body: bytes, content_type: str) -> Message:
    """What a request brings. Raises Unreadable."""
    if content_type.partition(";")[0].strip().lower() == "multipart/form-data":
        return _of_parts(body, content_type)
    if body.lstrip()[:1] != b"{":
        return Message(body)
    parameters = object_of(body)
    held = parameters.pop("document", None)
    if not isinstance(held, dict) or not isinstance(held.get("value"), str):
        raise Unreadable("not a message of ION: it holds no 'document' with a 'value'")
    # In JSON a document is text, whatever it says of its encoding.
    document = _DECLARATION.sub("", held["value"], count=1).encode("utf-8", "surrogatepass")
    return Message(_decoded(document, held.get("encoding"), in_text=True), parameters)


def with_document(message: Message, content_type: str) -> bytes:
    """The body of a request with this content type that brings this message, its document as it is."""
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        if not message.parameters:
            return message.document
        held = {"value": message.document.decode("utf-8", "replace"), "encoding": "NONE", "characterSet": "UTF-8"}
        return msgspec.json.encode(message.parameters | {"document": held})
    delimiter = b"--" + _boundary(content_type)
    parameters = msgspec.json.encode(message.parameters | {"encoding": "NONE"})
    parts = ((b"ParameterRequest", parameters), (b"MessagePayload", message.document))
    written = [b'%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s' % (delimiter, *part) for part in parts]
    return b"\r\n".join((*written, delimiter + b"--\r\n"))


def _of_parts(body: bytes, content_type: str) -> Message:
    delimiter = rb"(?:\A|\r?\n)--" + re.escape(_boundary(content_type)) + rb"(?:--)?[ \t]*(?=\r?\n|\Z)"
    pieces = re.split(delimiter, body, maxsplit=_MOST_PARTS + 2)
    if len(pieces) > _MOST_PARTS + 2:
        raise Unreadable(f"has more than {_MOST_PARTS} parts")
    parts: dict[bytes, bytes] = {}
    for piece in pieces[1:-1]:
        head, *content = _HEAD.split(piece, maxsplit=1)
        if content and (name := _NAME.search(head)):
            parts.setdefault(name[1], content[0])
    if not parts.keys() >= {b"ParameterRequest", b"MessagePayload"}:
        raise Unreadable("a message of ION has the parts ParameterRequest and MessagePayload")
    parameters = object_of(parts[b"ParameterRequest"])
    return Message(_decoded(parts[b"MessagePayload"], parameters.get("encoding"), in_text=False), parameters)


def _boundary(content_type: str) -> bytes:
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise Unreadable("multipart/form-data without a boundary")
    return (found[1] or found[2]).encode("utf-8", "surrogatepass")


def _decoded(document: bytes, encoding: Any, *, in_text: bool) -> bytes:
    """Without BASE64, and inflated where it is DEFLATED. Bytes stand in the text of JSON as base64."""
    kind = encoding.upper() if isinstance(encoding, str) else "NONE"
    if kind not in ("", "NONE", "BASE64", "DEFLATE"):
        raise Unreadable(f"the encoding {kind[:40]!r} is not known; ION has NONE, BASE64 and DEFLATE")
    if kind == "BASE64" or (kind == "DEFLATE" and in_text):
        try:
            document = base64.b64decode(document, validate=False)
        except (binascii.Error, ValueError) as error:
            raise Unreadable(f"not base64: {error}") from error
    return _inflated(document) if kind == "DEFLATE" else document


def _inflated(document: bytes) -> bytes:
    """Of zlib's form (RFC 1950), or without its head (RFC 1951): both go by this name."""
    for window in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        inflating = zlib.decompressobj(window)
        try:
            found = inflating.decompress(document, MAX_DOCUMENT)
        except zlib.error:
            continue
        if inflating.unconsumed_tail:
            raise Unreadable(f"has more than {MAX_DOCUMENT} bytes inflated")
        if inflating.eof:
            return found
    raise Unreadable("cannot be inflated")
