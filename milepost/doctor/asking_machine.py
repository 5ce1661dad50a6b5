"""What is asked of this machine: its disk, and who can read the files with secrets."""

from __future__ import annotations

import contextlib
import os
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from collector.spool.segments import DAMAGED, ENDING, REFUSED
from milepost.doctor import judging
from milepost.doctor.finding import Finding, fail, ok, unknown
from milepost.settings import ENVIRONMENT_PREFIX, SECRET

BESIDE = (REFUSED, DAMAGED)


def disk(folder: Path, database_bytes: int | None) -> Finding:
    """The disk that a folder, or the nearest above it that there is, lies on."""
    at = folder.absolute()
    while not at.exists() and at != at.parent:
        at = at.parent
    try:
        usage = shutil.disk_usage(at)
    except OSError as error:
        return unknown("disk", f"{at} does not say how much is free: {error.strerror}")
    return judging.disk(judging.Disk(str(at), usage.total, usage.free, database_bytes))


def buffer(folder: Path | None, limit: int, now: int) -> list[Finding]:
    """The folder of the receivers' buffer at `now` (micros); nothing of what is in it is read."""
    check = "buffer"
    if folder is None:
        return [ok(check, "there is none (--spool-dir): what arrives while the database is away is answered 503")]
    at = folder.absolute()
    while not at.exists() and at != at.parent:
        at = at.parent
    sizes: dict[Path, int] = {}
    try:
        for path in folder.iterdir() if folder.exists() else ():
            # What is written to the log meanwhile is gone.
            with contextlib.suppress(FileNotFoundError):
                sizes[path] = path.stat().st_size
        free = shutil.disk_usage(at).free
    except OSError as error:
        return [unknown(check, f"{folder} cannot be looked at: {error.strerror}", "ask as the user that serves")]
    waiting = {path: taken for path, taken in sizes.items() if path.suffix == ENDING and taken}
    begun = [int(made) for path in waiting if (made := path.stem.partition("-")[0]).isdecimal()]
    return judging.buffer(
        judging.Buffer(
            path=str(folder),
            writable=at.is_dir() and os.access(at, os.W_OK | os.X_OK),
            bytes=sum(waiting.values()),
            limit=limit,
            free=free,
            oldest=max(0, now - min(begun)) if begun else None,
            beside=sum(path.suffix in BESIDE for path in sizes),
        )
    )


def secret_files(config: Path | None, environment: Mapping[str, str]) -> list[Path]:
    """The files that settings are read from and that hold secrets."""
    found = []
    path = config or (Path(environment["MILEPOST_CONFIG"]) if environment.get("MILEPOST_CONFIG") else None)
    if path is not None and _holds_secret(path):
        found.append(path)
    names = (f"{ENVIRONMENT_PREFIX}{name.upper()}_FILE" for name in SECRET)
    return found + [Path(environment[name]) for name in names if environment.get(name)]


def secrets(paths: list[Path]) -> list[Finding]:
    """Whether others on this machine can read or write them; one finding where they can of none."""
    found: list[Finding] = []
    for path in paths:
        try:
            mode = path.stat().st_mode
        except OSError as error:
            found.append(unknown("secrets", f"{path}: {error.strerror}"))
            continue
        if (one := judging.file_mode(str(path), mode)) is not None:
            found.append(one)
    said = f"others on this machine can read none of {len(paths)} files with secrets" if paths else "in no file"
    return found or [ok("secrets", said)]


def data_folder(folder: Path) -> Finding | None:
    """What is wrong with the folder of the embedded PostgreSQL; None where there is one."""
    if (folder / "postgres").is_dir():
        return None
    advice = "say where it is with --data-dir or --database-url, or start milepost serve"
    return fail("database", f"there is no database in {folder}", advice)


def _holds_secret(path: Path) -> bool:
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        # Whoever reads the settings says what is wrong with it; that it may hold a secret is the safer guess.
        return True
    return any(name in found for name in SECRET) or any(
        word in name for name in _names(found.get("kafka")) for word in ("password", "secret")
    )


def _names(table: object) -> Iterator[str]:
    if isinstance(table, dict):
        for name, value in table.items():
            yield str(name)
            yield from _names(value)
