"""Passwords, and how often somebody may guess one."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from collector.access.guessed import PRODUCT, contains, is_common, is_guessed, words_of
from slo_rules.durations import MINUTE, SECOND

SHORTEST, LONGEST = 12, 1024
_HASHER = PasswordHasher()
"""argon2id as RFC 9106 recommends where memory is short: 64 MiB, three passes. It needs a core for some 50 ms."""
_NOBODYS = _HASHER.hash("the password of nobody")

WINDOW = 15 * MINUTE
MOST_OF_NAME_AND_ADDRESS, MOST_OF_ADDRESS, MOST_OF_NAME = 5, 20, 50
_MOST_REMEMBERED = 10_000


def faults_of(password: str, name: str, former: str | None = None) -> list[str]:
    """All that is wrong with a new password of a user; `former` is the present one, where it is known.

    Length is what counts, and that it is not guessed (NIST SP 800-63B 5.1.1): nobody is made to mix characters.
    """
    faults = []
    if not SHORTEST <= len(password) <= LONGEST:
        faults.append(f"the password must have from {SHORTEST} to {LONGEST} characters")
    if password == former:
        faults.append("the password is the present one")
    if any(contains(password, word) for word in words_of(name)):
        faults.append("the password contains the name of the user")
    if contains(password, PRODUCT):
        faults.append(f"the password contains the word {PRODUCT}")
    if is_common(password):
        faults.append("the password is one of the most common ones")
    elif password and is_guessed(password, name):
        faults.append("the password is too easily guessed")
    return faults


def hashed(password: str) -> str:
    """What is kept of a password."""
    return _HASHER.hash(password)


def is_right(kept: str | None, password: str) -> bool:
    """Whether a password is the one; without one that is kept it takes as long to say no."""
    try:
        _HASHER.verify(kept or _NOBODYS, password)
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False
    return kept is not None


@dataclass(slots=True)
class Throttle:
    """Counts what went wrong, by name and address, for WINDOW; one process, some thousands of each."""

    _failed: OrderedDict[tuple[str, str], deque[int]] = field(default_factory=OrderedDict)

    def wait(self, name: str, address: str, now: int) -> int:
        """How many micros somebody must wait before he may try a name again from an address; 0 when he may."""
        waits = (
            self._wait((name.casefold(), address), MOST_OF_NAME_AND_ADDRESS, now),
            self._wait(("", address), MOST_OF_ADDRESS, now),
            self._wait((name.casefold(), ""), MOST_OF_NAME, now),
        )
        return max(waits)

    def note(self, name: str, address: str, now: int) -> None:
        """A try that is not known to have been right; `forget` takes it back."""
        for which in ((name.casefold(), address), ("", address), (name.casefold(), "")):
            self._failed.setdefault(which, deque()).append(now)
            self._failed.move_to_end(which)
        while len(self._failed) > _MOST_REMEMBERED:
            self._failed.popitem(last=False)

    def forget(self, name: str, address: str) -> None:
        """It was right."""
        self._failed.pop((name.casefold(), address), None)
        for which in (("", address), (name.casefold(), "")):
            if self._failed.get(which):
                self._failed[which].pop()

    def _wait(self, which: tuple[str, str], most: int, now: int) -> int:
        tries = self._failed.get(which)
        while tries and tries[0] <= now - WINDOW:
            tries.popleft()
        return 0 if tries is None or len(tries) < most else max(tries[-most] + WINDOW - now, SECOND)
