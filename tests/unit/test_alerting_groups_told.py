"""What is held up for two reasons is told as two lists, one click from the message."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from alerting.address import Address
from alerting.channels.email import channel as email
from alerting.channels.letter import Letter
from alerting.channels.slack import blocks
from alerting.incident import Apart, Cause, Incident, NotifyReason, Population
from alerting.message import Notice, notice
from alerting.titles import Titles
from alerting.words import linked
from slo_rules.durations import HOUR, SECOND

NOW = 1_790_000_000 * SECOND
URL = "https://milepost.example.com"
STUCK = Incident(
    UUID(int=7), Cause("orders", "stuck", "accepted", "sap"), Population(420, NOW - HOUR, entity="order"), NOW, 420, (), 420
)  # fmt: skip


def told(*apart: Apart, incident: Incident = STUCK, url: str = URL) -> Notice:
    said = notice(incident, NotifyReason.FIRST, NOW, public_url=url)
    return linked(said, replace(incident, apart=apart), (), NOW, url, Titles())


def parts(found: Notice) -> list[tuple[str, list[str]]]:
    return [(words, parse_qs(urlsplit(url).query)["attribute"]) for words, url in found.groups]


def test_412_on_one_connector_and_8_others_are_two_lists() -> None:
    found = told(Apart("connector", "2.3", 412, 420, 12, 100), Apart("region", "EMEA", 300, 420, 1, 100))
    assert parts(found) == [
        ("The 412 with connector 2.3", ["connector=2.3"]),
        ("The other 8", ["connector!=2.3"]),
    ]
    assert [words for words, _ in found.links] == ["Open the list", *(words for words, _ in found.groups)]
    assert all(parse_qs(urlsplit(url).query)["incident"] == [str(STUCK.id)] for _, url in found.links)
    assert [words for words, _ in replace(found, transition="resolved").links] == ["Open the list"]


def test_of_very_many_only_a_part_was_compared_and_no_number_is_claimed() -> None:
    many = replace(STUCK, population=replace(STUCK.population, count=100_000))
    found = told(Apart("connector", "2.3", 950, 1000, 12, 1000), incident=many)
    assert [words for words, _ in found.groups] == ["Those with connector 2.3", "The others"]


def test_what_holds_of_all_parts_nothing_and_the_next_that_does_is_taken() -> None:
    whole, some = Apart("connector", "2.3", 420, 420, 12, 100), Apart("region", "EMEA", 300, 420, 1, 100)
    assert told(whole).groups == ()
    assert parts(told(whole, some))[0] == ("The 300 with region EMEA", ["region=EMEA"])
    assert told(Apart("note", "x" * 99 + "…", 3, 420, 0, 9)).groups == (), "what was cut cannot be asked for"
    assert told(some, url="").groups == ()


def test_a_value_cannot_say_more_than_itself_in_a_link() -> None:
    found = told(Apart("note", "<b>|x>\n<!channel> & co", 3, 420, 0, 9))
    assert parts(found)[0] == ("The 3 with note <b>|x> <!channel> & co", ["note=<b>|x>\n<!channel> & co"])
    slack = str(blocks.payload(Letter(found, Address("https://hooks.example.com"), "m", NOW)))
    assert "<!channel>" not in slack and "|The 3 with note &lt;b&gt;" in slack
    letter = Letter(found, Address("smtp://x", None, (("from", "a@example.com"), ("to", "b@example.com"))), "m", NOW)
    assert "<b>" not in email._page(letter)


def test_notices_that_were_stored_before_have_no_groups_and_those_of_now_are_read_again() -> None:
    found = told(Apart("connector", "2.3", 412, 420, 12, 100))
    stored = found.to_json()
    assert [tuple(one) for one in Notice.from_json(stored).groups] == list(found.groups)
    del stored["groups"]
    assert Notice.from_json(stored).links[0] == found.links[0]
