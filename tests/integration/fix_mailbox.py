"""A mail server of this machine that keeps what it is given, or says what it is told to."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.acceptance.process import free_port


class Mailbox:
    def __init__(self) -> None:
        self.mails: list[tuple[Envelope, email.message.EmailMessage]] = []
        self.say: list[str] = []

    async def handle_DATA(  # noqa: N802 — the name is aiosmtpd's
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        if self.say:
            return self.say.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        mail: Any = email.message_from_bytes(content, policy=email.policy.default)
        self.mails.append((envelope, mail))
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    box = Mailbox()
    port = free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port, ready_timeout=60)
    controller.start()
    yield box, f"smtp://127.0.0.1:{port}"
    controller.stop()
