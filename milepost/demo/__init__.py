"""The simulated enterprise behind `milepost demo`: it speaks to the collector only over the wire."""

from __future__ import annotations

from milepost.demo.oracle import Expectation
from milepost.demo.run import Enterprise

__all__ = ["Enterprise", "Expectation"]
