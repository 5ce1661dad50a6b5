"""What is stored of an instance or an event, read where one that cannot be must not stop the reading of the others."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog

from slo_rules.progress import Progress

log = structlog.get_logger("milepost")
_decode = msgspec.msgpack.Decoder(Progress).decode
_decode_document = msgspec.json.Decoder(dict[str, Any]).decode


def readable(packed: bytes, id_: object = None) -> Progress | None:
    """What is stored of an instance; None where it cannot be read, which is logged with the `id_`, if there is one.

    An instance without a key is none: every one was found by the first of its keys.
    """
    try:
        progress = _decode(packed)
        if progress.keys:
            return progress
        reason = "NoKeys"
    except Exception as error:  # noqa: BLE001 — whatever is wrong with it, it is not what was written
        reason = type(error).__name__
    if id_ is not None:
        log.warning("instance_passed_over", id=str(id_), reason=reason)
    return None


def readable_document(body: bytes) -> dict[str, Any] | None:
    """What an event or a span of the log says; None where that cannot be read."""
    try:
        return _decode_document(body)
    except Exception:  # noqa: BLE001 — likewise
        return None
