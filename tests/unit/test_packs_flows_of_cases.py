"""The packs of cases: a ticket that is answered and solved, goods that come back, and their turns.

Times are those on the wall in Berlin; 2 March 2026 is a Monday.
"""

from __future__ import annotations

from typing import Any

import pytest

from slo_rules.event import Event
from slo_rules.judgement import VerdictKind
from slo_rules.matching import Matcher
from tests.unit.fix_stories import PACKS, Told, at, due, judged

K = VerdictKind


class TestCaseResolution:
    PACK = "case-resolution"

    def ticket(self, wall: str, type_: str, priority: str = "NORMAL", **event: Any) -> Told:
        said = {"case_id": "5158", "priority": priority, "organization_id": "8447", "channel": "web_service"}
        return wall, "zendesk", f"case.{type_}", said | event

    def status(self, wall: str, current: str, previous: str = "OPEN") -> Told:
        return self.ticket(wall, "status_changed", status=current, previous_status=previous)

    def comment(self, wall: str, *, staff: bool = True, public: bool = True) -> Told:
        return self.ticket(wall, "comment_added", public=public, by_staff=staff)

    def opened(self, priority: str = "NORMAL") -> Told:
        return self.ticket("03-06 16:00", "created", priority)

    def context(self, wall: str = "03-06 16:02", **said: str) -> Told:
        return wall, "mulesoft", "case.context_attached", {"ticket_id": "5158", "asset_id": "A1"} | said

    def first(self) -> list[Told]:
        return [self.opened(), self.context(entitlement_id="E1", region="EMEA")]

    def test_a_case_is_answered_and_solved(self) -> None:
        story = [*self.first(), self.comment("03-09 10:00"), self.status("03-10 12:00", "SOLVED")]
        assert judged(self.PACK, "03-20 12:00", *story) == (K.COMPLETED, None)
        assert judged(self.PACK, "03-20 12:00", *story, self.status("03-14 12:00", "CLOSED"))[0] == K.COMPLETED

    def test_only_a_public_answer_of_ours_is_one(self) -> None:
        matcher = Matcher([PACKS.workflows[self.PACK]])
        others = self.comment("03-09 10:00", staff=False), self.comment("03-09 10:00", public=False)
        for wall, source, type_, data in others:
            document = {"source": source, "type": type_, "data": data}
            assert matcher.matches(Event(source, type_, at(wall), at(wall), b"", document)) == []

    @pytest.mark.parametrize(("priority", "answer"), [
        ("NORMAL", "03-09 14:00"), ("HIGH", "03-06 18:00"), ("URGENT", "03-06 16:30"),
    ])  # fmt: skip
    def test_the_answer_is_due_by_priority_and_only_the_urgent_one_on_the_weekend(
        self, priority: str, answer: str
    ) -> None:
        assert due(self.PACK, self.opened(priority))["first_response"] == answer

    def test_a_priority_that_is_raised_shortens_what_is_left(self) -> None:
        raised = self.ticket("03-06 17:00", "priority_changed", "URGENT", previous_priority="NORMAL")
        assert judged(self.PACK, "03-06 17:00", *self.first(), raised) == (K.STUCK, "first_response")

    def test_without_its_context_it_is_stuck_and_without_an_entitlement_inconsistent(self) -> None:
        assert judged(self.PACK, "03-06 16:06", self.opened()) == (K.STUCK, "context_attached")
        assert judged(self.PACK, "03-06 16:06", self.opened(), self.context()) == (K.INCONSISTENT, "context_attached")

    def test_the_clock_stands_while_the_customer_is_waited_for_and_not_on_hold(self) -> None:
        answered = [*self.first(), self.comment("03-09 10:00")]
        solved = due(self.PACK, *answered)["solved"]
        pending = [*answered, self.status("03-09 10:01", "PENDING")]
        assert judged(self.PACK, "04-30 12:00", *pending) == (K.PAUSED, "solved")
        assert due(self.PACK, *pending, self.status("03-10 10:01", "OPEN", "PENDING"))["solved"] != solved
        assert due(self.PACK, *answered, self.status("03-09 10:01", "HOLD"))["solved"] == solved

    def test_a_reopened_case_is_promised_anew(self) -> None:
        story = [*self.first(), self.comment("03-09 10:00"), self.status("03-10 12:00", "SOLVED")]
        again = [*story, self.status("03-12 09:00", "OPEN", "SOLVED")]
        assert due(self.PACK, *again) == {"context_attached": "03-12 09:05", "first_response": "03-12 17:00"}
        assert judged(self.PACK, "03-12 17:01", *again, self.context("03-12 09:01", entitlement_id="E1")) == (
            K.STUCK,
            "first_response",
        )
        assert judged(self.PACK, "03-20 09:00", *again, self.status("03-12 11:00", "SOLVED"))[0] == K.COMPLETED


class TestCaseToReturn:
    PACK = "case-to-return"

    def case(self, wall: str, type_: str, status: str) -> Told:
        return wall, "salesforce", type_, {"case_number": "00041872", "case_type": "Return", "status": status}

    def wms(self, wall: str, type_: str, **said: Any) -> Told:
        return wall, "wms", type_, {"customer_return": "60000017", **said}

    def inspected(self, **said: Any) -> list[Told]:
        approved = {"return_id": "60000017", "case_number": "00041872", "parcels": 2}
        return [
            self.case("03-02 10:00", "case.created", "New"),
            ("03-02 15:00", "sap", "return.created", approved),
            self.wms("03-06 09:00", "return.received", parcel=1),
            self.wms("03-09 09:00", "return.received", parcel=2),
            self.wms("03-10 09:00", "return.inspected", **said),
        ]

    def scrapped(self) -> list[Told]:
        return self.inspected(disposition="scrap", credit_amount=80)

    def credited(self, amount: float) -> Told:
        said = {"customer_return": "60000017", "credit_id": "70000001", "amount": amount}
        return "03-11 10:00", "sap", "credit.created", said

    def test_goods_come_back_and_the_customer_is_credited(self) -> None:
        story = [*self.scrapped(), self.credited(80.0), self.case("03-12 09:00", "case.closed", "Closed")]
        assert judged(self.PACK, "03-30 12:00", *story) == (K.COMPLETED, None)

    def test_a_replacement_takes_the_place_of_the_credit(self) -> None:
        assert set(due(self.PACK, *self.scrapped())) == {"replacement_dispatched", "credit_issued"}
        sent = self.wms("03-11 10:00", "replacement.dispatched")
        assert due(self.PACK, *self.scrapped(), sent) == {"case_closed": "03-12 17:00"}
        assert judged(self.PACK, "03-13 12:00", *self.scrapped(), sent) == (K.STUCK, "case_closed")

    def test_all_parcels_must_have_come(self) -> None:
        assert set(due(self.PACK, *self.scrapped()[:3])) == {"goods_received"}
        assert judged(self.PACK, "03-24 12:00", *self.scrapped()[:3]) == (K.STUCK, "goods_received")
        assert due(self.PACK, *self.scrapped()[:4]) == {"inspected": "03-11 18:00"}

    def test_a_remedy_that_does_not_come_is_stuck(self) -> None:
        assert judged(self.PACK, "03-12 17:01", *self.scrapped()) == (K.STUCK, "credit_issued")

    def test_an_inspection_without_a_result_and_a_credit_of_another_amount_are_inconsistent(self) -> None:
        assert judged(self.PACK, "03-10 10:00", *self.inspected()) == (K.INCONSISTENT, "inspected")
        assert judged(self.PACK, "03-11 11:00", *self.scrapped(), self.credited(100)) == (
            K.INCONSISTENT,
            "credit_issued",
        )

    def test_the_clock_stands_while_the_customer_sends_photos(self) -> None:
        asked = [self.inspected()[0], self.case("03-02 11:00", "case.updated", "Waiting on Customer")]
        assert judged(self.PACK, "04-01 12:00", *asked) == (K.PAUSED, "return_approved")
        sent = self.case("03-05 11:00", "case.updated", "Working")
        assert due(self.PACK, *asked, sent) == {"return_approved": "03-06 17:00"}

    def test_a_return_that_is_declined_is_called_off(self) -> None:
        declined = self.case("03-02 11:00", "case.updated", "Declined")
        assert judged(self.PACK, "04-01 12:00", self.inspected()[0], declined)[0] == K.CANCELLED
