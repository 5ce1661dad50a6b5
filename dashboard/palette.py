"""Colours that people with any colour vision can tell apart (Okabe and Ito), and what each stands for.

A colour never stands alone: every use has a shape or a word beside it.
"""

from __future__ import annotations

BLUE = "#0072B2"
SKY = "#56B4E9"
GREEN = "#009E73"
ORANGE = "#E69F00"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#868E96"

GOOD = GREEN
WARN = ORANGE
BAD = VERMILLION

# vermillion is kept for what is missed or in error, so no service gets it
SERVICES = (BLUE, GREEN, SKY, PURPLE, ORANGE, "#7A6FB0", "#6B8E23", GREY)


def faint(colour: str, alpha: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"


def service_colours(services: list[str]) -> dict[str, str]:
    """The same set of services always gets the same colours, in whatever order they were seen."""
    return {name: SERVICES[i % len(SERVICES)] for i, name in enumerate(sorted(set(services)))}


def ink_on(colour: str) -> str:
    """Black or white, whichever reads better on it (WCAG relative luminance)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return "#ffffff" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.179 else "#111111"
