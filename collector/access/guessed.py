"""Which passwords are guessed first, whatever their length: the most common ones, and what is made of such words.

The words, and how many tries a password takes, are those of zxcvbn (Wheeler, USENIX Security 2016): the 30,000 most
common passwords out of leaks, words and names, rows of keys, dates, runs and repetitions, in any spelling.
"""

from __future__ import annotations

import re
from threading import Lock

PRODUCT = "milepost"
LEAST_TRIES = 10**10
"""What somebody who has the hash of a password tries within hours, at the 10,000 a second that zxcvbn reckons with."""
_WORDS = (
    "passwort", "motdepasse", "contrasena", "kennwort", "geheim", "willkommen", "sommer", "changeme", "administrator",
    "operator", "viewer", "qwertzuiop", "azertyuiop", "yxcvbnm", "yxcv", "1q2w3e4r5t6z",
)  # fmt: skip
"""Words of other tongues and keyboards, and of this place, that zxcvbn does not have."""
_LOOK_ALIKES = str.maketrans("@4301!5$7", "aaeoiisst")
_LONGEST_JUDGED = 72
_ONE_AT_A_TIME = Lock()
"""zxcvbn keeps the words that it is given for all who ask."""


def is_common(password: str) -> bool:
    """Whether a password is one of the 30,000 most common."""
    from zxcvbn.matching import RANKED_DICTIONARIES  # noqa: PLC0415 - many words, for few who need them

    return password.casefold() in RANKED_DICTIONARIES["passwords"]


def is_guessed(password: str, name: str) -> bool:
    """Whether somebody who knows the name finds a password in fewer than LEAST_TRIES; its beginning is judged."""
    from zxcvbn import zxcvbn  # noqa: PLC0415 - likewise

    with _ONE_AT_A_TIME:
        found = zxcvbn(password[:_LONGEST_JUDGED], user_inputs=[PRODUCT, *_WORDS, *words_of(name)])
    return bool(found["guesses"] < LEAST_TRIES)


def contains(password: str, word: str) -> bool:
    """Whether a word stands in a password, in any case and with the usual signs for letters."""
    text = password.casefold()
    return any(word in one for one in (text, text.translate(_LOOK_ALIKES)))


def words_of(name: str) -> list[str]:
    """The name of a user, and the words in it: of fewer than four letters they are in too many others."""
    whole = name.casefold().strip()
    parts = (part for part in re.split(r"[\W\d_]+", whole) if len(part) > 3)
    return list(dict.fromkeys((*([whole] if len(whole) > 2 else ()), *parts)))
