"""Times in the viewer's zone, and dates, numbers and money in the viewer's spelling."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Response
from hypothesis import given
from hypothesis import strategies as st

from dashboard import figures, outlook_words, phrases, wording
from dashboard.mount import Mounted
from dashboard.retelling import retold
from dashboard.viewer import COOKIE, PLAIN, Viewer, viewer_of, viewing
from slo_rules.rounding import spell_share

AT = datetime(2026, 11, 21, 14, 5, 9, tzinfo=UTC)
TEXT = "2026-11-21T14:05:09Z"


@contextmanager
def seen_by(said: str) -> Iterator[Viewer]:
    token = viewing.set(viewer_of(said))
    try:
        yield viewing.get()
    finally:
        viewing.reset(token)


@pytest.mark.parametrize(
    ("said", "short", "long"),
    [
        ("", "21 Nov 14:05", "21 Nov 2026 14:05:09 UTC"),
        ("Europe/Berlin|de-DE", "21. Nov. 15:05", "21. Nov. 2026 15:05:09 CET"),
        ("America/New_York|en-US", "Nov 21 9:05 AM", "Nov 21, 2026 9:05:09 AM EST"),
        ("Asia/Tokyo|en-GB", "21 Nov 23:05", "21 Nov 2026 23:05:09 JST"),
        ("America/Sao_Paulo|fr-FR", "21 nov. 11:05", "21 nov. 2026 11:05:09 UTC-03"),
    ],
)
def test_a_time_is_told_in_the_zone_and_spelling_of_whoever_looks(said: str, short: str, long: str) -> None:
    with seen_by(said):
        # Babel has another kind of space before AM, as the locale wants it.
        told = (wording.short_instant(TEXT), wording.instant(TEXT))
    assert tuple(" ".join(one.split()) for one in told) == (short, long)


@pytest.mark.parametrize(
    ("said", "number", "share", "money", "short"),
    [
        ("", "1,234,567", "99.87%", "$48,250", "$48k"),
        ("UTC|de-DE", "1.234.567", "99,87 %", "48.250 $", "48.250 $"),
        ("UTC|hi-IN", "12,34,567", "99.87%", "$48,250", "$48 हज़ार"),
        ("UTC|en-GB", "1,234,567", "99.87%", "US$48,250", "US$48K"),
        # Digits are the same in every locale.
        ("UTC|ar-EG", "1,234,567", "99.87%", "48,250 US$", "48 ألف US$"),
    ],
)
def test_numbers_and_money_are_spelled_as_the_locale_does(
    said: str, number: str, share: str, money: str, short: str
) -> None:
    amount = {"currency": "USD", "amount": 48_250}
    with seen_by(said):
        told = (
            wording.count(1_234_567),
            wording.percent(0.99874, 2),
            wording.money(amount),
            wording.money(amount, compact=True),
        )
    assert tuple(one.replace("\N{NO-BREAK SPACE}", " ").strip("\N{RIGHT-TO-LEFT MARK}") for one in told) == (
        number,
        share,
        money,
        short,
    )


@given(st.text(max_size=80))
def test_whatever_the_cookie_says_there_is_a_viewer(said: str) -> None:
    viewer = viewer_of(said)
    assert viewer.clock(AT)
    assert viewer.money(12.5, "EUR")
    assert viewer.separators


@pytest.mark.parametrize(
    "said", [None, "", "|", "../../etc/passwd|de", "Mars/Olympus|xx-YY", "UTC|de_DE'--", "%00|%00"]
)
def test_what_is_not_known_counts_as_not_said(said: str | None) -> None:
    found = viewer_of(said)
    assert found.zone == "UTC"
    assert found.locale in ("", "de")


def test_a_language_alone_is_a_locale_and_an_unknown_country_is_its_language() -> None:
    assert viewer_of("UTC|de").locale == "de"
    assert viewer_of("UTC|de-XZ").locale == "de"


def test_days_begin_and_end_where_the_viewer_is() -> None:
    now = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)
    at = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
    backlog = {
        "state": "clearing",
        "clear_at": "2026-11-21T23:30:00Z",
        "earliest": "2026-11-21T22:30:00Z",
        "latest": None,
    }
    assert outlook_words.backlog_words(backlog, now).startswith("clear at 23:30 UTC")
    with seen_by("Europe/Berlin|"):
        assert outlook_words.backlog_words(backlog, now).startswith("clear on Sunday 22 Nov")
    with seen_by("America/New_York|"):
        assert outlook_words.backlog_words(backlog, now).startswith("clear at 18:30 EST")
    assert viewing.get().clock(at) == "23:30"


def test_sentences_of_the_judgement_tell_their_times_in_the_viewers_zone() -> None:
    sentence = "Breach after 4h: 2026-11-21 14:05 UTC (Sat 15:05 Europe/Berlin). Now it is 2026-11-21 14:06:07 UTC."
    assert retold(sentence) == sentence.replace("4h", "4 h")
    with seen_by("Asia/Tokyo|en-GB"):
        told = retold(sentence)
    assert told == (
        "Breach after 4 h: 21 Nov 2026 23:05 JST (Sat 15:05 Europe/Berlin). Now it is 21 Nov 2026 23:06:07 JST."
    )


@pytest.mark.parametrize(
    ("sentence", "plain", "german"),
    [
        ("36 of 37 are, against 48% of the others: 33× as likely", None, "36 of 37 are, against 48 % of the others: 33× as likely"),
        ("against none: 1.2× as likely", None, "against none: 1,2× as likely"),
        ("none, against <1% of the others", None, "none, against <1 % of the others"),
        ("SAP was due and has not come: 1d1h14m late.", "SAP was due and has not come: 1 d 1 h 14 min late.", None),
        ("at least every 30m, by 45s", "at least every 30 min, by 45 s", None),
        # What a system said is evidence, and what is a name is one.
        ("should be '4h', found '12%'; SO-4d, v2.3.0, 2h/4h, 7days and r0m", "", ""),
    ],
)  # fmt: skip
def test_sentences_of_the_api_spell_shares_and_lengths_as_the_page_does(
    sentence: str, plain: str | None, german: str | None
) -> None:
    plain = plain or sentence
    assert retold(sentence) == plain
    with seen_by("Europe/Berlin|de-DE"):
        assert retold(sentence).replace("\N{NO-BREAK SPACE}", " ") == (german or plain)


def test_the_browser_and_the_api_spell_a_share_alike_in_plain_english() -> None:
    assert wording.percent(0.42) == spell_share(0.42) == "42%"
    with seen_by("UTC|tr-TR"):
        assert wording.percent(0.42) == "%42"


def test_the_zone_that_decides_is_told_as_it_is_also_to_those_elsewhere() -> None:
    with seen_by("America/New_York|en-GB"):
        assert wording.there_instant("2026-11-30T23:00:00Z", "Europe/Berlin") == "1 Dec 00:00 Europe/Berlin"
        assert wording.period_name("month", "Europe/Berlin", "2026-11-30T23:00:00Z") == "December 2026"


def test_of_today_it_is_said_that_it_is_the_day_of_utc_where_that_is_another() -> None:
    today = {"until": "2026-11-21T14:00:00Z", "missed": 1, "due": 10, "usual": None}
    assert phrases.usual_words(today).startswith("1 of 10 due today until 14:00 UTC were missed")
    with seen_by("Europe/Berlin|"):
        assert phrases.usual_words(today).startswith("1 of 10 due today (the day of UTC) until 15:00 CET were missed")


def test_figures_stand_on_the_clocks_of_the_viewer_and_speak_the_locale() -> None:
    hours: list[dict[str, Any]] = [
        {"t": f"2026-11-21T{hour:02}:00:00Z", "count": 3, "usual": None} for hour in range(3)
    ]
    with seen_by("America/New_York|en-US"):
        figure = figures.volume(hours)
        assert figure.data[-1].x[0] == "2026-11-20T19:00:00"
        assert "%-I:%M %p" in figure.data[-1].hovertemplate
        assert any(stop.value == "%b %-d\n%Y" for stop in figure.layout.xaxis.tickformatstops)
    with seen_by("UTC|de-DE"):
        assert figures.volume(hours).layout.separators == ",."


def test_a_bar_ends_where_the_clocks_show_its_end_also_when_they_were_moved() -> None:
    start, end = datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 22, tzinfo=UTC)
    with seen_by("Europe/Berlin|"):
        # From midnight to 23:00: the day had an hour twice.
        assert figures.wall_milliseconds(start, end) == 23 * 3_600_000
    assert figures.wall_milliseconds(start, end) == 24 * 3_600_000


async def test_each_request_is_drawn_for_whoever_made_it() -> None:
    pages = FastAPI()

    @pages.get("/dashboard/{rest:path}")
    async def page(rest: str) -> Response:
        return Response(f"{viewing.get().zone} {viewing.get().locale}" if rest else "<html></html>")

    mounted = Mounted(FastAPI(), pages, "/dashboard/")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(mounted), base_url="http://127.0.0.1") as client:
        asked = [
            await client.get("/dashboard/x", headers={"cookie": f"other=1; {COOKIE}={said}"})
            for said in ("Europe%2FBerlin%7Cde-DE", "Asia%2FTokyo%7Cja", "")
        ]
        nothing = await client.get("/dashboard/x")
    assert [one.text for one in asked] == ["Europe/Berlin de_DE", "Asia/Tokyo ja", "UTC "]
    assert nothing.text == "UTC "
    assert viewing.get() == PLAIN
