"""Logging in by OpenID Connect: a provider that keeps to the standard, one that does not, and a real one."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from collector.access.forwarded import GroupRoles
from collector.access.guard import COOKIE
from collector.access.principal import Grant, PersonRole
from dashboard import oidc as oidc_of
from dashboard.oidc import Begun, Oidc, OidcRefused, Provider
from tests.acceptance.process import free_port, wait_until
from tests.integration.fix_access import Guarded, guarded

pytestmark = pytest.mark.slow

ISSUER, CLIENT, SECRET = "https://id.example", "milepost", "planted client secret/+%"
GROUPS = GroupRoles({"ops": PersonRole.OPERATOR}, None)
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def provider_of(issuer: str = ISSUER, redirect: str = "http://milepost/login/callback") -> Provider:
    return Provider(issuer, CLIENT, SECRET, redirect, GROUPS)


class Fake:
    """A provider in one function; what it says can be bent."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {}
        self.key, self.kid, self.alg = KEY, "1", "RS256"
        self.published = {"1": KEY}
        self.document: dict[str, Any] = {}
        self.groups_by_userinfo = False
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}

    def authorize(self, location: str) -> dict[str, str]:
        """What the browser comes back with."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": ISSUER}

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        match request.url.path:
            case "/.well-known/openid-configuration":
                found = {
                    "issuer": ISSUER,
                    **{f"{name}_endpoint": f"{ISSUER}/{name}" for name in ("authorization", "token", "userinfo")},
                    "jwks_uri": f"{ISSUER}/keys",
                }
                return httpx.Response(200, json=found | self.document)
            case "/keys":
                keys = [
                    json.loads(RSAAlgorithm.to_jwk(key.public_key())) | {"kid": kid, "use": "sig"}
                    for kid, key in self.published.items()
                ]
                return httpx.Response(200, json={"keys": keys})
            case "/userinfo":
                return httpx.Response(200, json={"sub": "4711", "groups": ["ops"]})
            case "/token":
                return self._token(request)
        return httpx.Response(404)

    def _token(self, request: httpx.Request) -> httpx.Response:
        said = dict(parse_qsl(request.content.decode()))
        basic = base64.b64decode(request.headers["authorization"].partition(" ")[2]).decode()
        assert dict(parse_qsl(f"a={basic.partition(':')[2]}"))["a"] == SECRET
        begun = self._codes.pop(said["code"], None)
        digest = hashlib.sha256(said["code_verifier"].encode()).digest()
        if begun is None or base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != begun["code_challenge"]:
            return httpx.Response(400, json={"error": "invalid_grant"})
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": ISSUER, "aud": CLIENT, "sub": "4711", "iat": now, "exp": now + 300, "nonce": begun["nonce"],
            "preferred_username": "ada", "groups": ["all", "ops"],
        }  # fmt: skip
        claims |= self.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.groups_by_userinfo:
            del claims["groups"]
        key: Any = SECRET if self.alg == "HS256" else None if self.alg == "none" else self.key
        token = jwt.encode(claims, key, algorithm=self.alg, headers={"kid": self.kid})
        return httpx.Response(200, json={"id_token": token, "access_token": "at", "token_type": "Bearer"})


@pytest.fixture
def fake() -> Fake:
    return Fake()


@contextlib.asynccontextmanager
async def asking(fake: Fake) -> AsyncIterator[Oidc]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(fake.answer)) as client:
        yield Oidc(provider_of(), client)


async def log_in(fake: Fake) -> tuple[str, Grant | None]:
    async with asking(fake) as oidc:
        location, begun = await oidc.begin("/dashboard/")
        return await oidc.finish(begun, fake.authorize(location))


async def test_a_provider_says_who_somebody_is_and_his_groups_make_his_role(fake: Fake) -> None:
    assert await log_in(fake) == ("ada", Grant(PersonRole.OPERATOR))
    fake.claims = {"groups": ["all"]}
    assert await log_in(fake) == ("ada", None)
    fake.claims, fake.groups_by_userinfo = {}, True
    assert await log_in(fake) == ("ada", Grant(PersonRole.OPERATOR))


async def test_an_address_is_a_name_only_where_the_provider_has_verified_it(fake: Fake) -> None:
    fake.claims = {"preferred_username": None, "email": "ada@example.com"}
    assert (await log_in(fake))[0] == "4711"
    fake.claims["email_verified"] = True
    assert (await log_in(fake))[0] == "ada@example.com"


BENT: dict[str, Callable[[Fake], object]] = {
    "of another issuer": lambda fake: fake.claims.update(iss="https://evil.example"),
    "for another client": lambda fake: fake.claims.update(aud="another"),
    "for several, and another acts": lambda fake: fake.claims.update(aud=[CLIENT, "x"], azp="x"),
    "for several, and nobody acts": lambda fake: fake.claims.update(aud=[CLIENT, "x"]),
    "over": lambda fake: fake.claims.update(exp=int(time.time()) - 120),
    "without an end": lambda fake: fake.claims.update(exp=None),
    "without a subject": lambda fake: fake.claims.update(sub=None),
    "of another login": lambda fake: fake.claims.update(nonce="another"),
    "without a nonce": lambda fake: fake.claims.update(nonce=None),
    "not signed": lambda fake: setattr(fake, "alg", "none"),
    "signed by the secret": lambda fake: setattr(fake, "alg", "HS256"),
    "signed by another key": lambda fake: setattr(fake, "key", OTHER_KEY),
    "of an unknown key": lambda fake: setattr(fake, "kid", "2"),
    "of a nameless one": lambda fake: fake.claims.update(preferred_username="\n", sub="\t"),
    "a provider of another name": lambda fake: fake.document.update(issuer="https://evil.example"),
    "an endpoint without TLS": lambda fake: fake.document.update(token_endpoint="http://id.example/token"),
    "a redirect": lambda fake: fake.document.update(token_endpoint=f"{ISSUER}/nowhere"),
}


@pytest.mark.parametrize("bend", BENT.values(), ids=BENT)
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_a_token_is_refused_that_is(fake: Fake, bend: Callable[[Fake], object]) -> None:
    bend(fake)
    with pytest.raises(OidcRefused) as raised:
        await log_in(fake)
    assert SECRET not in str(raised.value)
    assert "evil" not in str(raised.value)


async def test_a_code_is_of_no_use_to_another_login(fake: Fake) -> None:
    async with asking(fake) as oidc:
        _, begun = await oidc.begin("/")
        location, other = await oidc.begin("/")
        answered = fake.authorize(location)
        for bent in (begun, Begun(other.state, other.nonce, begun.verifier, "/")):
            with pytest.raises(OidcRefused):
                await oidc.finish(bent, answered)
        for wrong in (
            {"state": other.state, "error": "access_denied"},
            {"state": other.state, "code": "x", "iss": "y"},
            {},
        ):
            with pytest.raises(OidcRefused):
                await oidc.finish(other, wrong)


async def test_new_keys_of_the_provider_are_found_but_asked_for_once_a_minute(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking(fake) as oidc:

        async def attempt() -> None:
            location, begun = await oidc.begin("/")
            await oidc.finish(begun, fake.authorize(location))

        await attempt()
        fake.published = {"2": OTHER_KEY}
        fake.key, fake.kid = OTHER_KEY, "2"
        with pytest.raises(OidcRefused):
            await attempt()
        assert fake.asked.count("/keys") == 1
        monkeypatch.setattr(oidc_of, "_AGAIN_SECONDS", 0.0)
        await attempt()
        assert fake.asked.count("/keys") == 2


def test_the_secret_is_not_in_a_repr() -> None:
    assert SECRET not in repr(provider_of())


async def come_in(behind: Guarded, fake: Fake) -> httpx.Response:
    client = behind.client()
    sent = await client.get("/login/oidc", params={"next": "/dashboard/worklist"})
    assert sent.status_code == 303
    answer = await client.get("/login/callback", params=fake.authorize(sent.headers["location"]))
    if answer.status_code == 303:
        assert answer.headers["location"] == "/dashboard/worklist"
        assert (await client.get("/api/v1/overview")).status_code == 200
        assert COOKIE in client.cookies
    return answer


async def test_through_the_pages_one_comes_in_by_the_provider_or_is_told_why_not(database_url: str, fake: Fake) -> None:
    async with asking(fake) as oidc, guarded(database_url, oidc=oidc) as behind:
        assert "Log in with your organisation" in (await behind.client().get("/login")).text
        assert (await come_in(behind, fake)).status_code == 303
        fake.claims = {"groups": []}
        refused = await come_in(behind, fake)
        assert (refused.status_code, "no group" in refused.text) == (403, True)
        assert [row["action"] for row in behind.recorded()] == ["login", "login.refused"]
        assert {row["how"] for row in behind.recorded()} == {"oidc"}
        lost = await behind.client().get("/login/callback", params={"code": "x", "state": "y"})
        assert lost.status_code == 403
        assert "log in once more" in lost.text


SERVER = """
const { Provider } = require('oidc-provider')
const port = Number(process.argv[2]), redirect = process.argv[3]
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{client_id: 'milepost', client_secret: process.argv[4], redirect_uris: [redirect],
             grant_types: ['authorization_code'], response_types: ['code']}],
  claims: {openid: ['sub'], profile: ['preferred_username', 'groups'], email: ['email']},
  findAccount: async (_, id) => ({accountId: id, claims: async () => ({sub: id, preferred_username: id, groups: ['ops']})}),
  pkce: {required: () => true, methods: ['S256']},
  features: {devInteractions: {enabled: true}},
})
provider.listen(port, '127.0.0.1')
"""


@contextlib.contextmanager
def real_provider(folder: Path, redirect: str) -> Iterator[str]:
    """oidc-provider for Node.js, certified by the OpenID Foundation; MILEPOST_TEST_OIDC is where its modules are."""
    modules, node = os.environ.get("MILEPOST_TEST_OIDC"), shutil.which("node")
    if not modules or node is None:
        pytest.skip("no oidc-provider here: set MILEPOST_TEST_OIDC to a folder with its node_modules")
    port, script = free_port(), folder / "server.cjs"
    script.write_text(SERVER)
    issuer = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [node, str(script), str(port), redirect, SECRET],
            env=os.environ | {"NODE_PATH": f"{modules}/node_modules"}, stdout=log, stderr=log,
        )  # fmt: skip

    def there() -> bool:
        assert server.poll() is None, (folder / "log").read_text()
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{issuer}/.well-known/openid-configuration", timeout=60).status_code == 200
        return False

    try:
        wait_until(there, 60, "the provider answers")
        yield issuer
    finally:
        server.terminate()
        server.wait(20)


@pytest.mark.slow
async def test_a_real_provider_lets_somebody_in(database_url: str, tmp_path: Path) -> None:
    redirect = "http://milepost/login/callback"
    async with contextlib.AsyncExitStack() as stack:
        issuer = stack.enter_context(real_provider(tmp_path, redirect))
        oidc = Oidc(provider_of(issuer, redirect), await stack.enter_async_context(httpx.AsyncClient(timeout=60)))
        behind = await stack.enter_async_context(guarded(database_url, oidc=oidc))
        browser = await stack.enter_async_context(httpx.AsyncClient(base_url=issuer, timeout=60))
        client = behind.client()
        place = (await client.get("/login/oidc")).headers["location"]
        callback = await _through(browser, place)
        answer = await client.get("/login/callback", params=parse_qsl(urlsplit(callback).query))
        assert answer.status_code == 303, answer.text
        assert (await client.get("/api/v1/overview")).status_code == 200
        (row,) = behind.recorded()
        assert (row["actor"], row["after"]) == ("ada", {"role": "operator"})


async def _through(browser: httpx.AsyncClient, place: str) -> str:
    """Log in and consent at the provider, as a person would; where it sends the browser then."""
    for _ in range(20):
        answer = await browser.get(place)
        if answer.status_code == 200:
            action = re.search(r'action="([^"]+)"', answer.text)
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
            assert action, answer.text
            assert prompt, answer.text
            said = {"prompt": prompt[1], "login": "ada", "password": "x"}
            answer = await browser.post(action[1], data=said)
        place = answer.headers["location"]
        if place.startswith("http://milepost/"):
            return place
    raise AssertionError(place)
