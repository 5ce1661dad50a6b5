"""Durations as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_rules.durations import DAY, HOUR, MINUTE, SECOND, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("90s", 90 * SECOND),
        ("15m", 15 * MINUTE),
        ("4h", 4 * HOUR),
        ("2d", 2 * DAY),
        ("1w", 7 * DAY),
        ("1h30m", 90 * MINUTE),
        ("1d2h3m4s", DAY + 2 * HOUR + 3 * MINUTE + 4 * SECOND),
        ("0h5m", 5 * MINUTE),
        ("3650d", 3650 * DAY),
        ("999999s", 999_999 * SECOND),
    ],
)
def test_a_duration_is_read(text: str, micros: int) -> None:
    assert parse_duration(text) == micros


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4",
        "h",
        "4 h",
        " 4h",
        "4h ",
        "4h\n",
        "-4h",
        "+4h",
        "1.5h",
        "4H",
        "4hours",
        "PT4H",
        "1h30",
        "1000000s",
        "٣h",
        "4µ",
    ],
)
def test_what_is_no_duration_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write it like 90s, 15m, 4h, 2d or 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0s", "0d0h0m0s"])
def test_a_duration_is_longer_than_zero(text: str) -> None:
    with pytest.raises(ValueError, match="must be longer than zero"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["3651d", "3650d1s", "999999w"])
def test_a_duration_is_at_most_ten_years(text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}' is longer than ten years"):
        parse_duration(text)


def test_a_message_stays_short_whatever_was_written() -> None:
    for text in ("x" * 100_000, "1s" * 100_000, "999999w" * 100_000):
        with pytest.raises(ValueError, match=r"is not a duration|is longer than") as caught:
            parse_duration(text if text[1] != "s" else text + "!")
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "0s"),
        (999_999, "0s"),
        (SECOND, "1s"),
        (90 * SECOND, "1m30s"),
        (5_400_000_000, "1h30m"),
        (DAY + SECOND, "1d1s"),
        (48 * HOUR, "2d"),
        (14 * DAY, "14d"),
        (-90 * MINUTE, "-1h30m"),
        (-1, "0s"),
        (-SECOND, "-1s"),
    ],
)
def test_a_duration_is_written(micros: int, text: str) -> None:
    assert format_duration(micros) == text


@given(st.integers(1, 3650 * 86400))
def test_what_is_written_reads_the_same(seconds: int) -> None:
    assert parse_duration(format_duration(seconds * SECOND)) == seconds * SECOND


@given(st.integers(-(10**18), 10**18))
def test_the_sign_is_the_only_difference(micros: int) -> None:
    assert format_duration(-micros).removeprefix("-") == format_duration(micros).removeprefix("-")
