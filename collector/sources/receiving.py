"""A source made ready to receive: its adapter, its mapping and its secrets together. Pure but for reading secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from collector.ingest import cloudevents
from collector.log import DeadLetter, LetterReason
from collector.sources.adapter import Adapter
from collector.sources.exchange import Answer, Credentials, Native, Received, Unfit, Unreadable
from collector.sources.mapping import Canonical, Mapper
from collector.sources.registry import adapter_of, mapping_of
from collector.sources.sensitive import Hidden
from collector.sources.signatures import same
from slo_rules import adapter as said
from slo_rules.workflow import Source

log = structlog.get_logger("milepost.sources")

WITHHELD = "was not kept, because it could not be told what of it is sensitive"
MAX_EVENTS = 20_000


@dataclass(slots=True)
class Mapped:
    """What became of a request: rows for the log, the events they are of, and what could not be mapped."""

    rows: list[bytes] = field(default_factory=list)
    events: list[Canonical] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    ignored: int = 0


class Receiver:
    """Receives for one source."""

    def __init__(self, source: Source, credentials: Credentials) -> None:
        assert source.adapter is not None
        self.source = source
        self.said: said.Adapter = source.adapter
        self.adapter: Adapter = adapter_of(self.said.name)
        self._mapper = Mapper(self.said.mapping, mapping_of(self.said.name))
        self._credentials = credentials
        sensitive = self.said.sensitive
        self._hidden = Hidden(sensitive, credentials.hash_key or b"") if sensitive else None

    @property
    def poll_secret(self) -> bytes | None:
        """What the system knows us by, where it is asked."""
        return self._credentials.poll

    def split(self, rest: str) -> str | None:
        """What follows the token in the path; None where the path is none of this source's."""
        token = self._credentials.token
        if self.said.poll is not None and self.said.token is None and not self.said.secrets:
            # It is only asked: by nothing could its requests be told from anybody's.
            return None
        if token is None and self.said.token is not None:
            return None
        if token is not None:
            given, _, rest = rest.partition("/")
            if not same(given, token.decode("utf-8", "surrogateescape")):
                return None
        return rest if rest in self.adapter.paths else None

    def handshake(self, received: Received) -> Answer | None:
        """The answer to a request that only asks whether it may send."""
        return self.adapter.handshake(received, self.said)

    def refuse(self, received: Received, now: int) -> str:
        """Why a request is not the source's own at `now` (micros); empty when it is."""
        if len(self._credentials.secrets) < bool(self.said.secrets):
            return "its secret is not known here"
        return self.adapter.refuse(received, self.said, self._credentials, now)

    def keep(self, received: Received) -> bytes:
        """The body as it may be kept. Raises Unreadable where it cannot be told what of it is sensitive."""
        return self.adapter.redact(received, self._hidden)

    def kept_headers(self, received: Received) -> dict[str, str]:
        """The headers that are needed to read it again."""
        wanted = self.adapter.keeps | {"content-type"}
        return {name: text.replace("\x00", "")[:2048] for name, text in received.headers.items() if name in wanted}

    def map(self, received: Received, received_at: int, number: int | None = None) -> Mapped:
        """What a kept request becomes; `received_at` (micros) stands in for a time that is absent."""
        mapped = Mapped()
        try:
            for found in self.adapter.read(received, self.said):
                if len(mapped.rows) + len(mapped.letters) >= MAX_EVENTS:
                    raise Unreadable(f"has more than {MAX_EVENTS} events")
                self._take(found, received_at, number, mapped)
        except Unreadable as error:
            return self.unfit(received, str(error), number)
        except Exception as error:
            # Whatever is wrong with an adapter, nothing that was acknowledged is lost.
            log.exception("adapter_failed", source=self.source.name, adapter=self.said.name)
            return self.unfit(received, f"the adapter {self.said.name} failed: {type(error).__name__}", number)
        return mapped

    def unfit(self, received: Received, why: str, number: int | None) -> Mapped:
        """A request of which nothing can be used."""
        return Mapped(letters=[self._letter(Unfit(None, why), received.body, number)])

    def _take(self, found: Native | Unfit, received_at: int, number: int | None, mapped: Mapped) -> None:
        made = self._mapper.map(found, self.source.name, self.said.tenant) if isinstance(found, Native) else found
        if made is None:
            mapped.ignored += 1
            return
        if isinstance(made, Canonical):
            rows, refused = cloudevents.decode([made.body], received_at)
            if rows:
                mapped.rows.extend(rows)
                mapped.events.append(made)
                return
            made = Unfit(made.item, "; ".join(f"{one.field}: {one.message}" for one in refused[0].faults), made.body)
        mapped.letters.append(self._letter(made, made.body or b"", number))

    def _letter(self, unfit: Unfit, body: bytes, number: int | None) -> DeadLetter:
        reason = LetterReason.UNREADABLE_REQUEST if unfit.item is None else LetterReason.CANNOT_BE_MAPPED
        detail = unfit.reason.replace("\x00", "").encode("utf-8", "replace").decode()
        return DeadLetter(self.source.name, reason, detail[:2000], body, request=number, item=unfit.item)


def withheld(source: str, received: Received, why: str, digest: str) -> DeadLetter:
    """What is kept of a request that cannot be kept itself."""
    told = f"{len(received.body)} bytes with the SHA-256 {digest}".encode()
    return DeadLetter(source, LetterReason.UNREADABLE_REQUEST, f"the body {WITHHELD}: {why}"[:2000], told)


def receivers_of(sources: Iterable[Source], credentials: Mapping[str, Credentials]) -> dict[str, Receiver]:
    """The receivers of the sources that have an adapter, by name."""
    none = Credentials()
    return {one.name: Receiver(one, credentials.get(one.name, none)) for one in sources if one.adapter is not None}


def credentials_of(source: said.Adapter, environment: Mapping[str, str]) -> tuple[Credentials, list[tuple[str, str]]]:
    """The secrets that a source refers to, and what is wrong with those that cannot be had; none is quoted."""
    faults: list[tuple[str, str]] = []

    def resolved(secret: said.Secret | None, field_: str) -> bytes | None:
        if secret is None:
            return None
        if secret.variable:
            found = environment.get(secret.variable, "")
            if not found:
                faults.append((field_, f"the environment variable {secret.variable} is not set"))
            return found.encode("utf-8", "surrogateescape")
        try:
            read = Path(secret.file).read_bytes().strip()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "not a path"
            faults.append((field_, f"the file {secret.file} cannot be read: {why}"))
            return b""
        if not read:
            faults.append((field_, f"the file {secret.file} is empty"))
        return read

    secrets = [found for one in source.secrets if (found := resolved(one, "secret"))]
    token = resolved(source.token, "token")
    if token is not None and b"/" in token:
        faults.append(("token", "must not hold a '/': it is one part of a path"))
    key = resolved(source.sensitive.key, "sensitive.key") if source.sensitive else None
    poll = resolved(source.poll.secret, "poll.secret") if source.poll else None
    return Credentials(tuple(secrets), token, key, poll), faults
