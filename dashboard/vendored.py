"""What the browser is sent instead of a larger bundle of Dash's that says the same.

Plotly's own smaller bundle draws lines, points, bars and pies, which is all there is on these pages, and is a quarter
of the whole: less to carry, and above all less to run before a page can ask for its first figure.
"""

from __future__ import annotations

from pathlib import Path

from plotly.offline import get_plotlyjs_version

FOLDER = Path(__file__).parent / "vendor"
PLOTLY = "plotly/package_data/plotly.min.js"
_BASIC = "plotly-basic.min.js"
_BANNER = 200


def slimmer(bundle: str) -> bytes | None:
    """What stands in for a bundle, by its path below Dash's; None where that itself is sent.

    A Plotly of another version than the one whose figures are drawn is none.
    """
    if bundle != PLOTLY:
        return None
    text = (FOLDER / _BASIC).read_bytes()
    return text if f" v{get_plotlyjs_version()}\n".encode() in text[:_BANNER] else None
