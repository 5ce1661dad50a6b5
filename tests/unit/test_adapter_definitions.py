"""What definitions say of adapters: every fault at once, each at its place, and no secret in any of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.sources.registry import faults_of
from milepost.definition_files import read_definitions
from milepost.source_files import read_receivers
from slo_rules.adapter import Adapter, Amount, Mapping, Poll, Rules, Secret, Sensitive, Signature
from slo_rules.definitions import load
from slo_rules.durations import DAY, MINUTE
from slo_rules.faults import DefinitionError
from tests.definition_texts import FULL, of_documentation

TOP = "apiVersion: milepost/v1\nkind: Source\nmetadata: {name: s}\nspec: {adapter: {name: generic, %s}}\n"


def test_everything_that_can_be_said_is_read() -> None:
    assert load({"a.yaml": FULL}).sources["wms"].adapter == Adapter(
        name="generic",
        secrets=(Secret("WMS_SECRET"), Secret(file="/run/secrets/wms")),
        token=Secret("WMS_TOKEN"),
        tenant="acme",
        tolerance=10 * MINUTE,
        url="https://milepost.example.com/sources/wms",
        zone="Europe/Berlin",
        authentication="bearer",
        signature=Signature("x-signature", "sha512", "base64", "v1=", "x-timestamp", "epoch_ms", "{timestamp}.{body}"),
        claims={"iss": "https://issuer.example.com", "aud": "milepost"},
        mapping=Mapping(
            each="events",
            id=("event.id", "event.revision"),
            time=("event.at",),
            time_format="epoch_ms",
            type=("event.name",),
            types={"created": "order.created", "PING": "ignore"},
            outcomes={"shipped": "done"},
            rules=Rules(
                (("order_id", ("order.id", "order_id")),),
                (("correlation_id", ("meta.correlation",)), ("purchase_order", ("order.po",))),
                Amount(("order.total",), ("order.currency",), minor_units=True),
            ),
            per={
                "order": Rules((("order_number", ("order.number",)),)),
                "order.created": Rules((), (("quote_id", ("order.quote",)),), Amount(("order.net",))),
            },
        ),
        sensitive=Sensitive(("order.customer.email",), ("order.customer.name",), Secret("WMS_KEY")),
        poll=Poll(
            "https://wms.example.com/api",
            ("orders", "stock/moves"),
            Secret("WMS_CLIENT"),
            2 * MINUTE,
            10 * MINUTE,
            7 * DAY,
            "read",
        ),
    )


@pytest.mark.parametrize(
    ("said", "path", "words"),
    [
        ("secret: whsec_plain", "secret", "no secret stands in a definition"),
        ('secret: "x${A}"', "secret", "no secret stands in a definition"),
        ("secret: {path: /x}", "secret.path", "unknown field 'path'"),
        ("secret: []", "secret", "at least one secret"),
        ('token: "${MILEPOST_TOKEN}"', "token", "kept for settings"),
        ("tolerance: 2d", "tolerance", "at most 1d"),
        ("url: ftp://x", "url", "http or https"),
        ("url: https://me:pw@example.com/", "url", "without user name"),
        ("zone: Europe/Berln", "zone", "there is no time zone"),
        ("poll: {url: https://x, objects: a}", "poll", "'secret' is missing"),
        ('poll: {url: "https://x/?a=b", secret: "${A}", objects: a}', "poll.url", "without user name, query"),
        ('poll: {url: "https://me:pw@x", secret: "${A}", objects: a}', "poll.url", "without user name, query"),
        ("poll: {url: https://x, secret: plain, objects: a}", "poll.secret", "no secret stands in a definition"),
        ('poll: {url: https://x, secret: "${A}", objects: []}', "poll.objects", "at least one thing"),
        ('poll: {url: https://x, secret: "${A}", objects: [a, a]}', "poll.objects[1]", "asked for already"),
        ('poll: {url: https://x, secret: "${A}", objects: "a b?"}', "poll.objects", "a name of letters"),
        ('poll: {url: https://x, secret: "${A}", objects: a, every: 1s}', "poll.every", "from 5s to 1d"),
        ("authentication: digest", "authentication", "one of bearer, basic"),
        ("signature: {algorithm: md5}", "signature", "'header' is missing"),
        ("signature: {header: X, algorithm: md5}", "signature.algorithm", "one of sha256"),
        ('signature: {header: "X Y"}', "signature.header", "the name of a header"),
        ("signature: {header: X, signs: body}", "signature", "must hold {body} once"),
        ('signature: {header: X, signs: "{body}{timestamp}"}', "signature", "say both"),
        ('signature: {header: X, timestamp: T, signs: "{body}"}', "signature", "say both"),
        ("claims: [iss]", "claims", "mapping"),
        ("claims: {iss: [a]}", "claims.iss", "text"),
        ("mapping: {id: a..b}", "mapping.id", "is not a path"),
        ("mapping: {id: []}", "mapping.id", "at least one path"),
        ("mapping: {time: {path: a, format: unix}}", "mapping.time.format", "one of rfc3339"),
        ("mapping: {type: {value: a b}}", "mapping.type.value", "without spaces"),
        ("mapping: {types: {A: a b}}", "mapping.types.A", "without spaces"),
        ("mapping: {outcomes: {A: good}}", "mapping.outcomes.A", "one of open"),
        ("mapping: {fields: {Order: a}}", "mapping.fields.Order", "lower-case letters"),
        ("mapping: {fields: {amount: a}}", "mapping.fields.amount", "none of entity"),
        ("mapping: {for: {Order: {}}}", "mapping.for.Order", "an entity such as invoice"),
        ("mapping: {for: {order: {id: a}}}", "mapping.for.order.id", "unknown field"),
        ("mapping: {amount: {currency: a}}", "mapping.amount", "'path' is missing"),
        ('sensitive: {key: "${K}"}', "sensitive", "say what to 'drop' or to 'hash'"),
        ("sensitive: {hash: a}", "sensitive", "needs a 'key'"),
    ],
)
def test_a_fault_stands_where_it_is(said: str, path: str, words: str) -> None:
    with pytest.raises(DefinitionError) as error:
        load({"a.yaml": TOP % said})
    found = [fault.message for fault in error.value.faults if fault.path == f"spec.adapter.{path}"]
    assert any(words in message for message in found), error.value.faults
    assert "whsec_plain" not in str(error.value)
    assert "pw" not in str(error.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(DefinitionError) as error:
        load({"a.yaml": TOP % "secret: x, token: y, mapping: {id: '', types: {A: '', B: 5 5}}, sensitive: {}, more: 1"})
    assert len(error.value.faults) == 7


def test_what_the_documents_show_an_adapter_can_do() -> None:
    shown = 0
    for text in of_documentation().values():
        alone = "\nkind: Source\n" in text and "calendar:" not in text
        for source in load({"a.yaml": text}).sources.values() if alone else ():
            assert faults_of(source) == []
            shown += source.adapter is not None
    assert shown >= 7


def test_files_are_held_against_the_adapters_there_are(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    first = TOP % "secret: '${A}',\n  mapping: {id: id}"
    file.write_text(first + "---\n" + (TOP % "tenant: x").replace("generic", "strip").replace("{name: s}", "{name: t}"))
    with pytest.raises(DefinitionError) as error:
        read_definitions([tmp_path])
    assert [(fault.line, fault.path) for fault in error.value.faults] == [
        (5, "spec.adapter.mapping"),
        (10, "spec.adapter.name"),
    ]


def test_every_secret_that_is_not_there_is_told_at_its_place() -> None:
    text = TOP % "secret: ['${A}', '${B}'], mapping: {id: id, type: t}"
    definitions = load({"a.yaml": text})
    with pytest.raises(DefinitionError) as error:
        read_receivers({"a.yaml": text}, definitions, {"A": "x"})
    assert [str(fault) for fault in error.value.faults] == [
        "a.yaml:4: spec.adapter.secret: the environment variable B is not set"
    ]
    assert set(read_receivers({"a.yaml": text}, definitions, {"A": "x", "B": "y"})) == {"s"}
