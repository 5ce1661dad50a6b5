"""Progress as it is stored, read where one that cannot be must not keep the others from being read."""

from __future__ import annotations

import msgspec
import structlog

from slo_rules.progress import Progress

log = structlog.get_logger("milepost")
_decode = msgspec.msgpack.Decoder(Progress).decode


def readable(packed: bytes, id_: object = None) -> Progress | None:
    """What is stored of an instance; None where it cannot be read, which is logged with the `id_`, if there is one."""
    try:
        return _decode(packed)
    except Exception as error:  # noqa: BLE001 — whatever is wrong with it, it is not what was written
        if id_ is not None:
            log.warning("instance_passed_over", id=str(id_), reason=type(error).__name__)
        return None
