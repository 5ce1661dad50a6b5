from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.templates import OUTPUT_LIMIT, Faulty, render, template_fault
from tests.examples import examples

VALUES = {"count": 37, "owner": "erp", "owners": ["erp", "crm"], "link": None, "long": "x" * 100_000}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ count }} orders", "37 orders"),
        ("{% if link %}{{ link }}{% else %}no link{% endif %}", "no link"),
        ("{% for one in owners %}{{ one | upper }} {% endfor %}", "ERP CRM"),
        ("{{ owners | join(', ') }}: {{ 'late' if count > 10 else 'fine' }}", "erp, crm: late"),
        ("{{ owners[0] ~ '/' ~ owners | length }}", "erp/2"),
        ("{{ missing | default('none') }}", "none"),
    ],
)
def test_what_a_template_says(source: str, said: str) -> None:
    assert render(source, VALUES) == said


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ owner['__class__'] }}",
        "{{ owner|attr('__class__') }}",
        "{{ owner.upper }}",
        "{{ owner.upper() }}",
        "{{ range(10) }}",
        "{{ cycler('a') }}",
        "{{ 'a' * 1000000000 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ '%1000000000s' % owner }}",
        "{{ owner | center(1000000000) }}",
        "{{ owner | replace('', long) }}",
        "{% for a in long %}{% for b in long %}{% endfor %}{% endfor %}",
        "{% for a in owners recursive %}{{ loop(owners) }}{% endfor %}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
        "{% set a = long ~ long %}{{ a }}",
        "{% with a = long %}{{ a }}{% endwith %}",
        "{% include 'x' %}",
        "{% import 'x' as x %}",
        "{% extends 'x' %}",
        "{{ missing }}",
        "{{ owner | int }}",
        "{{ count / 0 }}",
        "{{ count + owner }}",
        "{{",
        "{% nothing %}",
        "{{" + "(" * 1500 + "1" + ")" * 1500 + "}}",
        "{% if true %}" * 300,
        "x" * 5_000,
        "   ",
        "{% for one in long %}{{ long }}{% endfor %}",
    ],
)
def test_what_is_not_allowed_or_has_no_end_is_faulty_and_soon(source: str) -> None:
    started = time.process_time()
    with pytest.raises(Faulty):
        render(source, VALUES)
    assert time.process_time() - started < 10


def test_a_fault_names_the_line_and_no_value() -> None:
    assert template_fault("{{ count }}\n{{ count | nothing }}") == (
        "line 2: there is no filter 'nothing'; there are capitalize, default, first, join, last, length, lower, trim, upper"
    )
    assert template_fault("{{ count }}") is None


WORDS = ["{{", "}}", "{%", "%}", "for", "a", "in", "owners", "long", "if", "endif", "endfor", "~", "|", "join", "loop",
         ".", "(", ")", "+", "*", "**", "[", "]", "0", "set", "=", "else", "not", "'x'", "upper", "\n"]  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=40))
@settings(max_examples=examples(500))
def test_whatever_is_written_it_ends_or_is_faulty(words: list[str]) -> None:
    try:
        said = render(" ".join(words), VALUES)
    except Faulty:
        return
    assert len(said) <= OUTPUT_LIMIT
