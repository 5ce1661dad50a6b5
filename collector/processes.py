"""Processes of our own beside the one that serves."""

from __future__ import annotations

import gc
import multiprocessing
import signal
from collections.abc import Callable

context = multiprocessing.get_context("spawn")


def begin(prepare: Callable[[], None]) -> None:
    """What a new process does first. The one that started it decides about signals; `prepare` sets up logging.

    What a batch makes has no cycles; looking for some costs a tenth of the time.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    prepare()
    gc.disable()
