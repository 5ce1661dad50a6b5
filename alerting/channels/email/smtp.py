"""Handing one mail to a server."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from alerting.channels.answer import Answer, Mail
from alerting.channels.reach import Reach

SECONDS = 15.0
LONGEST_SECONDS = 60.0
"""How long a mail may take in all, however slowly its server answers."""
MOST_LINES = 1_000
"""Of one answer."""
_PORTS = {"smtp": 25, "smtps": 465}
_NOT_ENCRYPTED = (535, b"the server offers no encryption, and a password is not sent without")


def hand_over(mail: Mail, reach: Reach) -> Answer:
    """The server's answer. Raises OSError where it is not reached, Refused where it may not be.

    STARTTLS is used wherever it is offered, and a password is sent only over TLS. A connection that breaks while the
    mail is handed over is a 421 with the header `uncertain`. What only some recipients are refused is delivered.
    """
    parts = urlsplit(mail.server)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    found = _connection(reach, tls=parts.scheme == "smtps")
    watch = threading.Timer(LONGEST_SECONDS, _cut_off, (found,))
    watch.daemon = True
    watch.start()
    handing = False
    try:
        code, text = found.connect(host, port)
        if code != 220:
            # What speaks no SMTP may be a proxy in front of a server that is away.
            return Answer(code if code >= 400 else 421, {}, text)
        found.ehlo_or_helo_if_needed()
        tls = parts.scheme == "smtps"
        if not tls and found.has_extn("starttls"):
            found.starttls(context=ssl.create_default_context())
            found.ehlo()
            tls = True
        if mail.user:
            if not tls and not reach.allows(host):
                return Answer(_NOT_ENCRYPTED[0], {}, _NOT_ENCRYPTED[1])
            found.login(mail.user, mail.password)
        handing = True
        refused = found.sendmail(mail.sender, mail.recipients, mail.body)
        return Answer(250, {}, f"refused: {', '.join(sorted(refused))}".encode() if refused else b"")
    except smtplib.SMTPRecipientsRefused as error:
        code, text = max(error.recipients.values(), key=lambda one: one[0] < 500)
        return Answer(code, {}, text)
    except smtplib.SMTPResponseException as error:
        text = error.smtp_error if isinstance(error.smtp_error, bytes) else str(error.smtp_error).encode()
        return Answer(error.smtp_code if error.smtp_code >= 400 else 421, {}, text)
    except smtplib.SMTPNotSupportedError:
        return Answer(535, {}, b"the server takes no login")
    except smtplib.SMTPException as error:
        return Answer(421, {"uncertain": "1"} if handing else {}, type(error).__name__.encode())
    except TimeoutError:
        if not handing:
            raise
        return Answer(421, {"uncertain": "1"}, b"TimeoutError")
    finally:
        watch.cancel()
        found.close()


def _cut_off(found: smtplib.SMTP) -> None:
    """Whoever reads from it hears that it is at its end."""
    with suppress(OSError):
        if found.sock is not None:
            found.sock.shutdown(socket.SHUT_RDWR)


class _Lines:
    """What a server says, of which an answer has so many lines at most."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.left = MOST_LINES

    def readline(self, size: int) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise OSError("an answer without end")
        line: bytes = self._inner.readline(size)
        return line

    def close(self) -> None:
        self._inner.close()


class _Bounded(smtplib.SMTP):
    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Lines(self.sock.makefile("rb"))
        if self.file is not None:
            self.file.left = MOST_LINES
        return super().getreply()


def _connection(reach: Reach, *, tls: bool) -> smtplib.SMTP:
    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        failed: OSError | None = None
        for one in reach.addresses(*address):
            try:
                return socket.create_connection((one, address[1]), timeout)
            except OSError as error:
                failed = error
        raise failed or OSError("no address")

    class Plain(_Bounded):
        def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
            self._host = host
            return connect((host, port), timeout)

    class Encrypted(_Bounded, smtplib.SMTP_SSL):
        def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
            self._host = host
            return ssl.create_default_context().wrap_socket(connect((host, port), timeout), server_hostname=host)

    return (Encrypted if tls else Plain)(timeout=SECONDS)
