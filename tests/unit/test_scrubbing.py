"""What goes out, and what comes back, is kept without what is secret in an address."""

from __future__ import annotations

from alerting.address import Address
from alerting.channels.scrub import scrub


def test_an_answer_that_repeats_only_the_path_or_the_query_is_kept_without_it() -> None:
    hook = Address("https://hooks.example.com/services/T0/B0/0123456789abcdefXYZ?sig=hush-hush-hush")
    said = 'no route for "/services/T0/B0/0123456789abcdefXYZ" (hush-hush-hush), hook 0123456789abcdefXYZ'
    assert scrub(said, hook) == 'no route for "***" (***), hook ***'


def test_what_is_short_or_no_url_changes_nothing() -> None:
    assert scrub("404 at /api", Address("https://slack.com/api")) == "404 at /api"
    assert scrub("no", Address("https://[")) == "no"
