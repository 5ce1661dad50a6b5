"""What ION brings: messages in all their forms, BODs, and the paths of the messaging service."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.sources.exchange import Received, Unreadable
from collector.sources.infor import messages
from collector.sources.infor.messages import Message, message_of, with_document
from slo_rules.adapter import Mapping, Sensitive
from tests.examples import examples
from tests.sources import FOLDER, becomes, events_of, posted, receiver, why

BOD = (FOLDER / "infor" / "sync-salesorder.xml").read_bytes()
BOUNDARY = "multipart/form-data; boundary=--x.y+z"


def multipart(parameters: Any, document: bytes, content_type: str = BOUNDARY) -> Received:
    boundary = b"--" + content_type.partition("boundary=")[2].encode()
    said = json.dumps(parameters).encode()
    body = b"\r\n".join(
        [
            b"preamble", boundary, b'Content-Disposition: form-data; name="MessagePayload"; filename="ParameterRequest"',
            b"", document, boundary + b"  ", b"Content-Type: application/json",
            b"content-disposition: form-data; filename=x; name=ParameterRequest", b"", said, boundary + b"--", b"",
        ]
    )  # fmt: skip
    return Received("POST", "service/v3/multipartMessage", {"content-type": content_type}, body)


class TestInfor:
    def deflated(self, window: int) -> bytes:
        packing = zlib.compressobj(wbits=window)
        return packing.compress(BOD) + packing.flush()

    def test_documents_come_plain_in_base64_and_deflated(self) -> None:
        plain = becomes(receiver("infor"), multipart({"messageId": "m-1"}, BOD))
        assert (plain["id"], plain["type"]) == ("GLOBEX_TST:m-1", "order.created")
        for encoding, document in (
            ("NONE", BOD),
            ("BASE64", base64.encodebytes(BOD)),
            ("DEFLATE", self.deflated(zlib.MAX_WBITS)),
            ("deflate", self.deflated(-zlib.MAX_WBITS)),
        ):
            sent = multipart({"messageId": "m-1", "encoding": encoding}, document)
            assert becomes(receiver("infor"), sent) == plain, encoding
        for encoding, document in (("BASE64", BOD), ("DEFLATE", self.deflated(zlib.MAX_WBITS))):
            value = base64.b64encode(document).decode()
            sent = posted({"messageId": "m-1", "document": {"value": value, "encoding": encoding}})
            assert becomes(receiver("infor"), sent) == plain, encoding

    def test_what_inflates_without_end_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(messages, "MAX_DOCUMENT", 1000)
        sent = multipart({"encoding": "DEFLATE"}, self.deflated(zlib.MAX_WBITS))
        assert "more than 1000 bytes inflated" in why(receiver("infor").map(sent, 0))
        cut = multipart({"encoding": "DEFLATE"}, self.deflated(zlib.MAX_WBITS)[:-20])
        assert why(receiver("infor").map(cut, 0))

    @pytest.mark.parametrize(
        "request_",
        [
            multipart({"encoding": "ZIP"}, BOD), multipart([], BOD), multipart({}, b"<a/>"), multipart({}, b""),
            multipart({}, b"<SyncSalesOrder/>"), multipart({}, b"<SyncSalesOrder><DataArea/></SyncSalesOrder>"),
            multipart({}, b'<!DOCTYPE a [<!ENTITY b "c">]><SyncSalesOrder>&b;</SyncSalesOrder>'),
            multipart({}, BOD, "multipart/form-data"),
            Received("POST", "", {"content-type": BOUNDARY}, b"----x.y+z\r\n\r\n----x.y+z--"),
            Received("POST", "", {"content-type": BOUNDARY}, b"----x.y+z\r\n" * 50),
            posted({"document": {}}), posted({"document": {"value": "%", "encoding": "DEFLATE"}}),
        ],
    )  # fmt: skip
    def test_what_is_no_message_is_set_aside(self, request_: Received) -> None:
        mapped = receiver("infor").map(request_, 0)
        assert "failed" not in why(mapped)

    def test_a_message_whose_parts_lost_their_end_is_no_message(self) -> None:
        whole = multipart({}, BOD)
        with pytest.raises(Unreadable):
            message_of(whole.body.removesuffix(b"----x.y+z--\r\n"), BOUNDARY)

    def test_every_change_of_a_document_is_an_event_and_a_repetition_none(self) -> None:
        changed = (FOLDER / "infor" / "sync-salesorder-change.xml").read_bytes()
        ids = [becomes(receiver("infor"), posted(body))["id"] for body in (BOD, BOD, changed)]
        assert ids[0] == ids[1] != ids[2]
        anonymous = BOD[: BOD.index(b"<BODID>")] + BOD[BOD.index(b"</BODID>") + 8 :]
        assert becomes(receiver("infor"), posted(anonymous))["id"]

    def test_several_documents_of_one_bod_are_several_events(self) -> None:
        start, end = BOD.index(b"  <SalesOrder>"), BOD.index(b" </DataArea>")
        twice = BOD[:end] + BOD[start:end].replace(b"SLS000417", b"SLS000418") + BOD[end:]
        found = events_of(receiver("infor").map(multipart({"messageId": "m"}, twice), 0))
        assert [event["id"] for event in found] == ["GLOBEX_TST:m:0", "GLOBEX_TST:m:1"]
        assert [event["data"]["sales_order"] for event in found] == ["SLS000417", "SLS000418"]

    def test_a_bod_without_a_namespace_is_the_same(self) -> None:
        bare = BOD.replace(b'xmlns="http://schema.infor.com/InforOAGIS/2" ', b"")
        assert bare != BOD
        assert becomes(receiver("infor"), posted(bare)) == becomes(receiver("infor"), posted(BOD))

    def test_a_date_that_is_none_is_told_and_hurts_nothing(self) -> None:
        odd = BOD.replace(b"2026-03-12T14:31:05Z", b"12/03/2026 14:31")
        event = becomes(receiver("infor"), posted(odd))
        assert ("time" in event, event["data"]["unreadable_time"]) == (False, "12/03/2026 14:31")
        local = BOD.replace(b"2026-03-12T14:31:05Z", b"2026-03-12T14:31:05")
        assert "time" not in becomes(receiver("infor"), posted(local))
        assert becomes(receiver("infor", zone="Europe/Berlin"), posted(local))["time"] == "2026-03-12T13:31:05Z"

    def test_verbs_actions_and_states(self) -> None:
        known = receiver("infor", mapping=Mapping(types={"Sync.SalesOrder:status=Hold": "order.held"}))
        changed = (FOLDER / "infor" / "sync-salesorder-change.xml").read_bytes()
        answered = (FOLDER / "infor" / "acknowledge-salesorder.xml").read_bytes()
        for body, type_ in (
            (changed, "order.closed"),
            (changed.replace(b"<Code>Closed", b"<Code>Picking"), "order.updated"),
            (changed.replace(b"<Code>Closed", b"<Code>Hold"), "order.held"),
            (BOD.replace(b"<Code>Open", b"<Code>Closed"), "order.created"),
            (
                BOD.replace(b'actionCode="Add"', b'actionCode="Delete"').replace(b"<Code>Open", b"<Code>Closed"),
                "order.deleted",
            ),
            (answered.replace(b'"Accepted"', b'"Rejected"'), "order.rejected"),
            (BOD.replace(b"SyncSalesOrder", b"ProcessSalesOrder").replace(b"Sync>", b"Process>"), "order.requested"),
        ):
            assert becomes(known, posted(body))["type"] == type_
        other = BOD.replace(b"SalesOrder", b"ItemMaster")
        assert "'Sync.ItemMaster' has no event type" in why(known.map(posted(other), 0))

    def test_another_tenant_is_set_aside(self) -> None:
        known = receiver("infor", tenant="OTHER")
        assert "of another tenant" in why(known.map(posted(BOD), 0))
        bare = BOD.replace(b"<TenantID>GLOBEX_TST</TenantID>", b"")
        assert known.map(posted(bare, **{"x-tenantid": "OTHER"}), 0).events
        assert "of another tenant" in why(known.map(posted(bare), 0))
        ours = BOD.replace(b"GLOBEX_TST<", b"OTHER<")
        assert known.map(posted(ours), 0).events
        assert "of another tenant" in why(known.map(posted(ours, **{"x-tenantid": "GLOBEX_TST"}), 0))

    def test_what_is_sensitive_is_taken_out_of_every_form(self) -> None:
        known = receiver("infor", sensitive=Sensitive(("custom_owner",), ("CustomerParty.Name",)))
        said = {"messageId": "m-1", "custom_owner": "Ann Example", "encoding": "DEFLATE"}
        packed = self.deflated(zlib.MAX_WBITS)
        inside = {"document": {"value": base64.b64encode(packed).decode(), "encoding": "DEFLATE"}}
        for sent in (multipart(said, packed), posted(said | inside), posted(BOD)):
            kept = known.keep(sent)
            assert b"Globex Manufacturing" not in kept
            assert b"Ann Example" not in kept
            event = becomes(known, Received("POST", "", known.kept_headers(sent), kept))
            assert event["data"]["account_name"].startswith("hash:")
            assert event["data"]["purchase_order"] == "PO-GLBX-88213"

    @given(st.binary(max_size=300), st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3))
    @settings(max_examples=examples(200))
    def test_a_message_that_is_written_is_read_again(self, document: bytes, parameters: dict[str, str]) -> None:
        if b"--x.y+z" in document:
            return
        body = with_document(Message(document, parameters | {"encoding": "BASE64"}), BOUNDARY)
        assert message_of(body, BOUNDARY) == Message(document, parameters | {"encoding": "NONE"})

    @given(
        st.sampled_from(["NONE", "BASE64", "DEFLATE", "", None, 7]),
        st.binary(max_size=60) | st.sampled_from([BOD, zlib.compress(BOD), base64.b64encode(zlib.compress(BOD))]),
        st.integers(0, 5000), st.binary(max_size=4), st.booleans(),
    )  # fmt: skip
    @settings(max_examples=examples(300))
    def test_whatever_a_document_is_it_is_read_or_set_aside(
        self, encoding: Any, document: bytes, at: int, other: bytes, in_text: bool
    ) -> None:
        document = document[:at] + other + document[at + len(other) :]
        inside = {"value": document.decode("latin-1"), "encoding": encoding}
        said = {"messageId": "m", "encoding": encoding}
        mapped = receiver("infor").map(posted({"document": inside}) if in_text else multipart(said, document), 0)
        assert len(mapped.events) + len(mapped.letters) == 1
        assert not any("failed" in letter.detail for letter in mapped.letters)

    def test_only_its_paths_are_there(self) -> None:
        known = receiver("infor")
        for path in ("", "service/ping", "service/protocol", "service/v3/multipartMessage", "service/v2/message"):
            assert known.split(f"tk/{path}") == path
        for path in ("service", "service/v3/discovery", "service/ping/", "x"):
            assert known.split(f"tk/{path}") is None
