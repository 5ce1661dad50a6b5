"""The script that keeps the subscriptions of Business Central alive, against something that answers as it does."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "business-central-renew.sh"
URL = "https://milepost.example.com/sources/business-central/t0ken"
STATE = "st@te with 'quotes' and \"more\""
SECRET = "cl1ent&s3cret="

pytestmark = pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq")


class BusinessCentral(ThreadingHTTPServer):
    """What it has been asked, and the subscriptions it has."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.subscriptions: list[dict[str, str]] = []
        self.refuses = ""


class Asked(BaseHTTPRequestHandler):
    server: BusinessCentral

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        is_json = headers.get("content-type") == "application/json" and body
        sent = json.loads(body) if is_json else parse_qs(body.decode())
        self.server.asked.append((self.command, self.path, headers, sent))
        if self.path.endswith("/token"):
            self._say(200, {"access_token": "t0k3n"})
        elif headers.get("authorization") != "Bearer t0k3n":
            self._say(401, {})
        elif self.command == "GET":
            self._say(200, {"value": self.server.subscriptions})
        elif self.server.refuses and self.server.refuses in sent["resource"]:
            self._say(400, {"error": "the handshake failed"})
        else:
            self._say(201 if self.command == "POST" else 200, {})

    do_GET = _answer  # noqa: N815 - named by the library
    do_POST = _answer  # noqa: N815 - named by the library
    do_PATCH = _answer  # noqa: N815 - named by the library

    def _say(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quietly."""


@pytest.fixture
def business_central() -> Iterator[BusinessCentral]:
    with BusinessCentral() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()


def renew(server: BusinessCentral, sets: str = "customers salesOrders") -> subprocess.CompletedProcess[str]:
    here = f"http://127.0.0.1:{server.server_address[1]}"
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "BC_TENANT": "tenant", "BC_ENVIRONMENT": "Production", "BC_COMPANY": "c-1",
        "BC_CLIENT_ID": "app", "BC_CLIENT_SECRET": SECRET, "BC_STATE": STATE, "BC_URL": URL, "BC_SETS": sets,
        "BC_API": here, "BC_LOGIN": here,
    }  # fmt: skip
    return subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, check=False, timeout=240)


def test_what_is_there_is_renewed_and_what_is_not_is_made(business_central: BusinessCentral) -> None:
    there = {"notificationUrl": URL, "resource": "api/v2.0/companies(c-1)/customers", "subscriptionId": "s-1"}
    elsewhere = {
        "notificationUrl": "https://other.example",
        "resource": "api/v2.0/companies(c-1)/salesOrders",
        "subscriptionId": "s-2",
    }
    business_central.subscriptions = [there | {"@odata.etag": 'W/"JzE5"'}, elsewhere]
    done = renew(business_central)
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (
        0,
        ["customers: renewed", "salesOrders: made"],
        "",
    )
    login, listed, renewed, made = business_central.asked
    assert login[3]["client_secret"] == [SECRET]
    base = "/v2.0/tenant/Production/api/v2.0/subscriptions"
    assert [asked[:2] for asked in (listed, renewed, made)] == [
        ("GET", base),
        ("PATCH", f"{base}('s-1')"),
        ("POST", base),
    ]
    assert renewed[2]["if-match"] == 'W/"JzE5"'
    assert renewed[3] == {
        "notificationUrl": URL,
        "resource": "/api/v2.0/companies(c-1)/customers",
        "clientState": STATE,
    }
    assert made[3]["resource"] == "/api/v2.0/companies(c-1)/salesOrders"


def test_one_that_is_refused_keeps_no_other_from_being_renewed_and_is_told(business_central: BusinessCentral) -> None:
    business_central.refuses = "customers"
    done = renew(business_central)
    assert done.returncode == 1
    assert done.stdout.splitlines() == ["salesOrders: made"]
    assert "customers: not made" in done.stderr


def test_no_secret_is_told(business_central: BusinessCentral) -> None:
    business_central.refuses = "customers"
    done = renew(business_central)
    for secret in (SECRET, STATE, "t0k3n"):
        assert secret not in done.stdout + done.stderr
