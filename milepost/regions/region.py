"""A region as the settings name it: another installation of Milepost, asked for its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from milepost.access_settings import is_loopback

MOST_REGIONS = 50
_KNOWN = ("url", "public_url", "title", "key_file")
_NAME = "letters, digits, - and _"


class NoKey(Exception):
    """The key of a region cannot be had; it says why, without what is in the file."""


@dataclass(frozen=True, slots=True)
class Region:
    """`url` is asked, `public_url` is where people are sent; neither ends with a slash. `key_file` holds an API key."""

    name: str
    title: str
    url: str
    public_url: str
    key_file: Path | None = None

    def key(self) -> str | None:
        """The key, read anew so that it can be rotated; None where none is sent. Raises NoKey."""
        if self.key_file is None:
            return None
        try:
            text = self.key_file.read_text("ascii").strip()
        except OSError as error:
            raise NoKey(f"its key cannot be read: {self.key_file}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise NoKey(f"{self.key_file} holds no key") from error
        if not text or not text.isprintable() or " " in text:
            raise NoKey(f"{self.key_file} holds no key, or more than one")
        return text


def read_regions(value: Mapping[str, Any], origin: str, faults: list[str]) -> tuple[Region, ...]:
    """Regions from the tables of the file of settings, in its order; what is wrong is told in `faults`."""
    if len(value) > MOST_REGIONS:
        faults.append(f"{origin}: {len(value)} regions; at most {MOST_REGIONS} are asked")
    return tuple(_region(name, said, f"{origin}.{name}", faults) for name, said in value.items())


def _region(name: str, said: Any, origin: str, faults: list[str]) -> Region:
    if not (name.replace("-", "").replace("_", "").isalnum() and name.isascii() and len(name) <= 40):
        faults.append(f"{origin}: a name has {_NAME}, at most 40")
    if not isinstance(said, dict):
        faults.append(f"{origin}: must be a table with url, and maybe {', '.join(_KNOWN[1:])}")
        return Region(name, name, "", "")
    faults += [f"{origin}.{one}: unknown; known are {', '.join(_KNOWN)}" for one in said if one not in _KNOWN]
    faults += [f"{origin}.{one}: must be text" for one in _KNOWN if not isinstance(said.get(one, ""), str)]
    texts = {one: said[one].strip() for one in _KNOWN if isinstance(said.get(one), str)}
    url = _address(texts.get("url", ""), f"{origin}.url", faults)
    public = _address(texts["public_url"], f"{origin}.public_url", faults) if texts.get("public_url") else url
    key_file = Path(texts["key_file"]) if texts.get("key_file") else None
    parts = urlsplit(url)
    if key_file and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        faults.append(f"{origin}.url: a key is sent in plain text by http://; it must begin with https://")
    region = Region(name, texts.get("title") or name, url, public, key_file)
    try:
        region.key()
    except NoKey as error:
        faults.append(f"{origin}.key_file: {error}")
    return region


def _address(text: str, origin: str, faults: list[str]) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and text.isprintable()
    except ValueError:
        good = False
    if not good:
        faults.append(f"{origin}: must be an address such as https://milepost.eu.example.com")
        return ""
    if parts.username or parts.password or parts.query or parts.fragment:
        faults.append(f"{origin}: must have no user, password, query or fragment in it")
        return ""
    return text.rstrip("/")
