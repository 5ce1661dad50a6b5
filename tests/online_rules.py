"""Which statements of a migration would rewrite a table in use, or keep others from it for long."""

from __future__ import annotations

import re
from collections.abc import Iterable

HOT = {
    "dead_letter", "event", "instance", "instance_event", "instance_key", "sli_bucket", "span", "verdict_change",
}  # fmt: skip
"""Tables with millions of rows, which somebody writes all the time."""
EXEMPT = "online:"
"""In a comment of a statement, with the reason why it may stand all the same."""

_SPACES = re.compile(r"\s+")
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_NAME = r'(?:(?:"?\w+"?)\.)?"?(\w+)"?'
_CREATE = re.compile(rf"CREATE (?:UNLOGGED |TEMP(?:ORARY)? )?TABLE (?:IF NOT EXISTS )?{_NAME}", re.IGNORECASE)
_INDEX = re.compile(
    rf"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY )(?:IF NOT EXISTS )?(?:\w+ )?ON (?!ONLY ){_NAME}", re.IGNORECASE
)
_ALTER = re.compile(rf"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?{_NAME} (.*)", re.IGNORECASE)
_ROWS = re.compile(rf"(UPDATE|DELETE FROM|INSERT INTO) (?:ONLY )?{_NAME}(.*)", re.IGNORECASE)
_WHOLE = re.compile(rf"(VACUUM .*FULL|CLUSTER|LOCK(?: TABLE)?|REINDEX TABLE)\W+(?:ONLY )?{_NAME}", re.IGNORECASE)
_STEADY = re.compile(r"\b(?:now|to_timestamp|make_interval)\s*\(", re.IGNORECASE)

_ALTERATIONS = {
    r"ALTER (?:COLUMN )?\S+ (?:SET DATA )?TYPE\b": "another type writes every row anew; add a column, fill it in batches",
    r"ADD (?:COLUMN )?(?:IF NOT EXISTS )?.*\bGENERATED\b": "a generated column writes every row anew",
    r"ADD (?:COLUMN )?(?:IF NOT EXISTS )?\S+ (?:big|small)?serial\b": "a serial column writes every row anew",
    r"ADD (?!CONSTRAINT\b)(?:COLUMN )?(?:IF NOT EXISTS )?(?!.*\bDEFAULT\b).*\bNOT NULL\b": (
        "there are rows already: a column that must be there needs a constant default"
    ),
    r"ADD (?:CONSTRAINT \S+ )?(?:CHECK|FOREIGN KEY)\b(?!.*\bNOT VALID\b)": (
        "every row is read under the lock; add it NOT VALID, and VALIDATE it in a migration of its own"
    ),
    r"ADD (?:CONSTRAINT \S+ )?(?:PRIMARY KEY|UNIQUE)\b(?!.*\bUSING INDEX\b)": (
        "its index is made under the lock; make that CONCURRENTLY before, and add it USING INDEX"
    ),
    r"ADD (?:CONSTRAINT \S+ )?EXCLUDE\b": "its index is made under the lock",
    r"ALTER (?:COLUMN )?\S+ SET NOT NULL": "every row is read under the lock; validate a CHECK first, and say so",
    r"SET (?:TABLESPACE|LOGGED|UNLOGGED|ACCESS METHOD)\b": "every row is written anew",
}


def faults_of(statements: Iterable[str]) -> list[str]:
    """What is wrong with statements in the order in which they run; tables that they make are nobody's yet."""
    made: set[str] = set()
    found: list[str] = []
    for said in statements:
        statement = _SPACES.sub(" ", _COMMENT.sub(" ", said)).strip()
        if match := _CREATE.match(statement):
            made.add(match[1].lower())
        if EXEMPT not in "".join(_COMMENT.findall(said)):
            found += [f"{fault}: {statement[:120]}" for fault in _faults(statement, made)]
    return found


def _faults(statement: str, made: set[str]) -> list[str]:
    if re.match(r"DO\b", statement, re.IGNORECASE):
        return ["what a DO block does cannot be seen; say in a comment why it is quick"]
    if (match := _INDEX.match(statement)) and _in_use(match[1], made):
        return ["an index without CONCURRENTLY keeps everybody from writing until it is made"]
    if (match := _WHOLE.match(statement)) and _in_use(match[2], made):
        return ["nobody else can use the table meanwhile"]
    if (match := _ROWS.match(statement)) and _in_use(match[2], made) and match[1].upper() != "INSERT INTO":
        return [] if "%" in match[3] else ["so many rows are changed in batches, each a transaction"]
    if (match := _ALTER.match(statement)) and _in_use(match[1], made):
        return _alterations(match[2])
    return []


def _alterations(clauses: str) -> list[str]:
    found = [why for form, why in _ALTERATIONS.items() if re.search(form, clauses, re.IGNORECASE)]
    default = re.search(r"\bDEFAULT (.*)", clauses, re.IGNORECASE)
    if default and re.search(r"\bADD\b", clauses, re.IGNORECASE) and re.search(r"\w\s*\(", _STEADY.sub("", default[1])):
        found.append("a default that is worked out for each row writes every row anew; let it be a constant")
    return found


def _in_use(name: str, made: set[str]) -> bool:
    table = name.lower()
    part = re.fullmatch(r"(event|span)_(?:\d{8}|default)", table)
    return (part[1] if part else table) in HOT and table not in made
