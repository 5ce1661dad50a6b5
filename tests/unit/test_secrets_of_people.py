"""What is asked of somebody who logs in, and what is kept of what he knows."""

from __future__ import annotations

import re

import pytest

from collector.access.passwords import LONGEST, faults_of, hashed, is_right
from dashboard.login_forms import first_password_form, login_form, own_password_form

FORMS = [login_form("/"), own_password_form(), first_password_form("ada", "/")]


@pytest.mark.parametrize("form", FORMS, ids=["login", "password", "first"])
def test_fields_of_passwords_are_masked_and_leave_managers_of_passwords_to_fill_them(form: str) -> None:
    fields = [one for one in re.findall(r"<input[^>]*>", form) if "name=next" not in one and "name=name" not in one]
    assert fields
    for field in fields:
        assert "type=password" in field
        assert "autocomplete=" in field
        assert "autocomplete=off" not in field
        assert "onpaste" not in field


def test_nothing_but_a_name_and_a_password_is_asked_for() -> None:
    assert re.findall(r"name=(\w+)", FORMS[0]) == ["next", "name", "password"]


@pytest.mark.parametrize(
    "password", ["grün über allen gipfeln", "  a space at both ends  ", "x9 K" * 200 + "!", "🐝 hums over clover"]
)
def test_a_password_of_any_characters_is_taken_as_it_is_and_nothing_near_it(password: str) -> None:
    assert faults_of(password, "ada") == [] or "guessed" in faults_of(password, "ada")[0]
    kept = hashed(password)
    assert is_right(kept, password)
    for near in (password.swapcase(), password.strip() + "?", password[:-1], password[:64]):
        assert near == password or not is_right(kept, near)


def test_a_thousand_characters_are_a_password() -> None:
    words = " ".join(f"clover{number} hums" for number in range(200))
    assert faults_of(words[:LONGEST], "ada") == []
    assert faults_of(words[: LONGEST + 1], "ada") != []


def test_what_is_kept_of_a_password_is_argon2id_with_64_mib_and_its_own_salt() -> None:
    kept = {hashed("clover hums over bees") for _ in range(2)}
    assert len(kept) == 2
    assert all(one.startswith("$argon2id$v=19$m=65536,t=3,") for one in kept)
