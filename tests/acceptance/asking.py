"""Requests to a real process beside the test, which may take its time on a busy machine.

What hangs is ended by the timeout of the test. The five seconds of httpx would say how busy the machine is instead.
"""

from __future__ import annotations

from functools import partial

import httpx

PATIENCE = 240
"""Seconds."""

get = partial(httpx.get, timeout=PATIENCE)
post = partial(httpx.post, timeout=PATIENCE)
request = partial(httpx.request, timeout=PATIENCE)
Client = partial(httpx.Client, timeout=PATIENCE)
