"""Which passwords are guessed first, whatever their length: words that everybody takes, runs and repetitions. Pure."""

from __future__ import annotations

import re
from itertools import pairwise

_WORDS = (
    "1q2w3e4r5t6y", "1q2w3e4r", "1qaz2wsx", "qazwsx", "qwertyuiop", "qwertzuiop", "azertyuiop", "asdfghjkl",
    "zxcvbnm", "yxcvbnm", "qwerty", "qwertz", "azerty", "asdfgh", "asdf", "zxcv", "yxcv", "password",
    "passwort", "passphrase", "passw", "motdepasse", "contrasena", "kennwort", "geheim", "secret", "letmein",
    "welcome", "willkommen", "changeme", "change", "default", "administrator", "admin", "root", "login",
    "master", "milepost", "iloveyou", "ilove", "dragon", "monkey", "football", "baseball", "sunshine",
    "princess", "superman", "batman", "shadow", "michael", "jordan", "hunter", "trustno", "starwars",
    "whatever", "freedom", "computer", "internet", "summer", "winter", "spring", "autumn", "sommer", "test",
    "temp", "user", "guest", "abcdef", "abc",
)  # fmt: skip
_LOOK_ALIKES = str.maketrans("@4301!5$7", "aaeoiisst")
_MOST_LEFT = 4
"""Letters besides such words that are still guessed along."""
_RUN = 0.75
"""Share of steps from one character to the same, or one beside it, from which on it is a run."""


def is_guessed(password: str, name: str) -> bool:
    """Whether a password is among what is tried first: common words or the name with digits, runs, repetitions."""
    text = password.casefold()
    words = sorted({*_WORDS, *(part for part in re.split(r"[\W\d_]+", name.casefold()) if len(part) > 2)}, key=len)
    for one in (text, text.translate(_LOOK_ALIKES)):
        left = one
        for word in reversed(words):
            left = left.replace(word, " ")
        if len(re.sub(r"[\W\d_]", "", left)) < _MOST_LEFT and left != one:
            return True
    steps = [ord(after) - ord(before) for before, after in pairwise(text)]
    if steps and sum(abs(step) <= 1 for step in steps) >= _RUN * len(steps):
        return True
    return len(set(text)) < _MOST_LEFT or (text + text).find(text, 1) <= len(text) // 2
