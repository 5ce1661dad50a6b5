"""What is wrong with a document of alerting."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RouteFault:
    """One fault of a document and the path to it, such as `spec.send_to[0].webhook.url`."""

    path: str
    message: str
