"""The packs that branch, join, choose, pause and begin anew: one story that goes well, one that does not, and their turns.

Times are those on the wall in Berlin; 2 March 2026 is a Monday.
"""

from __future__ import annotations

from typing import Any

import pytest

from slo_rules.event import Event
from slo_rules.judgement import VerdictKind
from slo_rules.matching import Matcher
from tests.unit.fix_stories import PACKS, Told, due, faults, judged, told

K = VerdictKind
BEH = "sap.s4.beh."


class TestCustomerMasterChange:
    PACK = "customer-master-change"

    def change(self, type_: str = "address", **more: str) -> Told:
        said = {"change_id": "MDC-1", "account_id": "0015i1", "change_type": type_, "fingerprint": "f2", **more}
        return "03-02 10:00", "salesforce", "account.updated", said

    def validated(self, wall: str = "03-02 10:30") -> Told:
        return wall, "mulesoft", "account.change_validated", {"change_id": "MDC-1"}

    def erp(self, wall: str) -> Told:
        said = {"account_id": "1000667", "business_partner": "1000667", "change_id": "MDC-1"}
        return wall, "sap", "account.changed", said

    def billing(self, wall: str) -> Told:
        return wall, "stripe", "account.updated", {"stripe_customer": "cus_1", "metadata": {"change_id": "MDC-1"}}

    def support(self, wall: str) -> Told:
        said = {"organization_id": "8447", "current": "MDC-1", "previous": "MDC-0"}
        return wall, "zendesk", "account.custom_field_changed", said

    def compared(self, differences: int = 0, fingerprint: str = "f2") -> Told:
        said = {"change_id": "MDC-1", "differences": differences, "fingerprint": fingerprint}
        return "03-02 10:55", "mulesoft", "account.compared", said

    def written(self) -> list[Told]:
        walls = ("03-02 10:35", "03-02 10:40", "03-02 10:45")
        return [self.change(), self.validated(), self.billing(walls[0]), self.support(walls[1]), self.erp(walls[2])]

    def test_all_systems_are_updated_side_by_side_and_agree(self) -> None:
        assert due(self.PACK, self.change(), self.validated()) == {
            "erp_updated": "03-02 11:00",
            "billing_updated": "03-02 10:45",
            "support_updated": "03-02 10:45",
        }
        assert due(self.PACK, *self.written()) == {"all_systems_agree": "03-02 11:15"}
        assert judged(self.PACK, "03-03 09:00", *self.written(), self.compared()) == (K.COMPLETED, None)

    def test_one_system_that_never_heard_of_it_is_named(self) -> None:
        assert judged(self.PACK, "03-02 12:00", *self.written()[:-1]) == (K.STUCK, "erp_updated")

    def test_equal_copies_of_something_else_are_inconsistent(self) -> None:
        differ = (*self.written(), self.compared(differences=1))
        assert judged(self.PACK, "03-02 12:00", *differ)[0] == K.INCONSISTENT
        assert faults(self.PACK, "03-02 12:00", *self.written(), self.compared(fingerprint="f1")) == (
            "All systems agree: data.fingerprint should be 'f2' as in Change saved in CRM, found 'f1'",
        )

    def test_a_bank_account_is_validated_by_people_of_its_region(self) -> None:
        assert due(self.PACK, self.change()) == {"change_validated": "03-02 12:00"}
        assert due(self.PACK, self.change("bank")) == {"change_validated": "03-03 16:00"}
        assert due(self.PACK, self.change("bank", region="AMER")) == {"change_validated": "03-03 22:00"}

    def test_the_clock_stands_while_the_customer_is_called_back(self) -> None:
        asked = ("03-02 11:00", "salesforce", "account.change_confirmation_requested", {"change_id": "MDC-1"})
        confirmed = ("03-02 15:00", "salesforce", "account.change_confirmed", {"change_id": "MDC-1"})
        assert judged(self.PACK, "03-09 12:00", self.change(), asked) == (K.PAUSED, "change_validated")
        assert due(self.PACK, self.change(), asked, confirmed) == {"change_validated": "03-02 16:00"}

    def test_a_change_made_in_one_system_alone_is_none_of_its_business(self) -> None:
        matcher = Matcher([PACKS.workflows[self.PACK]])
        said = {"source": "sap", "type": "account.changed", "data": {"business_partner": "1"}}
        event = Event("sap", "account.changed", 0, 0, b"", said)
        assert matcher.matches(event) == []


class TestAccountMerge:
    PACK = "account-merge"
    LOSER, SURVIVOR = "0015i00LOSER", "0015i00SURVIVOR"

    def merged(self) -> Told:
        said = {"merged_account_id": self.LOSER, "account_id": self.SURVIVOR}
        return "03-02 10:00", "salesforce", "account.merged", said

    def carried(self, billed_on: str = SURVIVOR) -> list[Told]:
        customer = {"stripe_customer": "cus_1", "crm_account_id": billed_on}
        organization = {"organization_id": "8447", "previous": self.LOSER, "current": self.SURVIVOR}
        partner = {"business_partner": "1000667", "merged_account_id": self.LOSER, "crm_account_id": self.SURVIVOR}
        return [
            ("03-02 10:10", "stripe", "account.updated", customer | {"metadata": {"merged_account_id": self.LOSER}}),
            ("03-02 10:20", "zendesk", "account.external_id_changed", organization),
            ("03-03 15:00", "sap", "account.changed", partner),
        ]

    def counted(self, wall: str, left: int) -> Told:
        said = {"merged_account_id": self.LOSER, "references_left": left}
        return wall, "mulesoft", "account.references_counted", said

    def test_machines_have_an_hour_and_people_two_business_days(self) -> None:
        assert due(self.PACK, self.merged()) == {
            "erp_alias_recorded": "03-04 17:00",
            "billing_alias_recorded": "03-02 11:00",
            "support_alias_recorded": "03-02 11:00",
        }

    def test_it_ends_when_nothing_points_at_the_loser(self) -> None:
        story = [self.merged(), *self.carried(), self.counted("03-03 02:00", 14), self.counted("03-04 02:00", 0)]
        assert judged(self.PACK, "03-04 09:00", *story[:-1]) == (K.ON_TRACK, "nothing_points_at_loser")
        assert judged(self.PACK, "03-05 09:00", *story) == (K.COMPLETED, None)

    def test_what_still_points_at_the_loser_is_stuck_with_its_number(self) -> None:
        story = [self.merged(), *self.carried(), self.counted("03-04 02:00", 3)]
        assert judged(self.PACK, "03-05 09:00", *story) == (K.STUCK, "nothing_points_at_loser")
        assert told(self.PACK, *story).attributes["references_left"] == 3

    def test_an_alias_to_a_third_account_is_inconsistent(self) -> None:
        story = [self.merged(), *self.carried(billed_on="0015i00OTHER")]
        assert judged(self.PACK, "03-03 16:00", *story) == (K.INCONSISTENT, "billing_alias_recorded")

    def test_a_merge_that_was_taken_back_is_called_off(self) -> None:
        undone = ("03-02 11:30", "salesforce", "account.undeleted", {"merged_account_id": self.LOSER})
        assert judged(self.PACK, "03-09 12:00", self.merged(), undone)[0] == K.CANCELLED


class TestLeadToOrder:
    PACK = "lead-to-order"
    CAPTURED: Told = ("03-02 10:00", "salesforce", "contact.created",
                      {"object": "Lead", "lead_id": "00Q1", "lead_source": "Web"})  # fmt: skip
    CONTACTED: Told = ("03-02 10:20", "salesforce", "contact.updated",
                       {"object": "Lead", "lead_id": "00Q1", "status": "Working - Contacted"})  # fmt: skip
    CONVERTED: Told = ("03-03 11:00", "salesforce", "contact.converted",
                       {"object": "Lead", "lead_id": "00Q1", "contact_id": "0031", "opportunity_id": "0061"})  # fmt: skip
    OPENED: Told = ("03-03 11:00", "salesforce", "opportunity.created", {"opportunity_id": "0061"})
    QUOTED: Told = ("03-10 11:00", "salesforce", "quote.presented", {"opportunity_id": "0061", "quote_id": "Q1"})
    PAID: Told = ("03-04 11:00", "stripe", "order.completed", {"opportunity_id": "0061"})
    WON: Told = ("03-20 16:00", "salesforce", "opportunity.won", {"opportunity_id": "0061", "status": "Closed Won"})
    ORDERED: Told = ("03-23 09:00", "salesforce", "order.created", {"opportunity_id": "0061", "order_id": "8011"})
    LEAD = (CAPTURED, CONTACTED, CONVERTED, OPENED)

    def test_a_lead_is_quoted_won_and_ordered(self) -> None:
        assert due(self.PACK, *self.LEAD, self.QUOTED, self.WON) == {"order_created": "03-23 12:00"}
        assert judged(self.PACK, "03-30 12:00", *self.LEAD, self.QUOTED, self.WON, self.ORDERED) == (K.COMPLETED, None)

    def test_a_lead_that_nobody_answers_is_stuck_sooner_from_the_web(self) -> None:
        assert judged(self.PACK, "03-02 11:01", self.CAPTURED) == (K.STUCK, "lead_contacted")
        fair = (*self.CAPTURED[:3], {"object": "Lead", "lead_id": "00Q1", "lead_source": "Trade Show"})
        assert due(self.PACK, fair) == {"lead_contacted": "03-09 18:00"}

    def test_an_online_checkout_takes_the_place_of_the_quote(self) -> None:
        assert set(due(self.PACK, *self.LEAD)) == {"quote_presented", "checkout_completed"}
        assert set(due(self.PACK, *self.LEAD, self.PAID)) == {"won"}
        assert judged(self.PACK, "03-30 12:00", *self.LEAD, self.PAID, self.WON, self.ORDERED)[0] == K.COMPLETED

    def test_an_opportunity_without_a_lead_begins_here_too(self) -> None:
        assert set(due(self.PACK, self.OPENED)) == {"quote_presented", "checkout_completed"}
        assert judged(self.PACK, "03-30 12:00", self.OPENED, self.QUOTED, self.WON, self.ORDERED)[0] == K.COMPLETED

    def test_nobody_waits_for_an_approval(self) -> None:
        approved = ("03-09 11:00", "salesforce", "quote.approved", {"opportunity_id": "0061", "quote_id": "Q1"})
        assert due(self.PACK, *self.LEAD, approved) == due(self.PACK, *self.LEAD)

    def test_lost_is_called_off(self) -> None:
        lost = ("03-11 11:00", "salesforce", "opportunity.lost", {"opportunity_id": "0061", "status": "Closed Lost"})
        assert judged(self.PACK, "05-30 12:00", *self.LEAD, self.QUOTED, lost)[0] == K.CANCELLED
        said = {"object": "Lead", "lead_id": "00Q1", "status": "Closed - Not Converted"}
        closed = ("03-02 12:00", "salesforce", "contact.updated", said)
        assert judged(self.PACK, "05-30 12:00", self.CAPTURED, closed)[0] == K.CANCELLED


class TestOrderStatusPropagation:
    PACK = "order-status-propagation"
    CONFIRMED: Told = ("03-02 10:00", "sap", "order.created", {"sales_order": "3016329", "sales_order_type": "OR"})

    def portal(self, wall: str, status: str, **said: str) -> Told:
        return wall, "customer-portal", "order.status.refreshed", {
            "sales_order": "3016329", "order.status": status, **said,
        }  # fmt: skip

    def dispatched(self, wall: str, number: int) -> Told:
        said = {"sales_order": "3016329", "shipment_id": f"S{number}", "shipments": 2}
        return wall, "wms", "shipment.dispatched", said

    def seen(self, minute: int, number: int) -> list[Told]:
        said = {"sales_order": "3016329", "shipment_id": f"S{number}"}
        day = f"03-0{number + 2}"
        return [
            (f"{day} 14:{minute:02}", "salesforce", "shipment.created", said | {"tracking_number": "1Z"}),
            self.portal(f"{day} 14:{minute:02}", "shipped", shipment_id=f"S{number}"),
            (f"{day} 14:{minute:02}", "mulesoft", "shipment.synced", said | {"target": "zendesk"}),
        ]

    def confirmed(self) -> list[Told]:
        activated = {"sales_order": "3016329", "order_id": "8011", "status": "Activated"}
        crm = ("03-02 10:08", "salesforce", "order.activated", activated)
        return [self.CONFIRMED, crm, self.portal("03-02 10:02", "confirmed")]

    def test_two_parts_are_seen_everywhere(self) -> None:
        first = [*self.confirmed(), self.dispatched("03-03 14:00", 1), *self.seen(3, 1)]
        # A warehouse week has six business days, and its Saturday closes at two.
        assert due(self.PACK, *first) == {"all_dispatched": "03-14 14:00"}
        both = [*first, self.dispatched("03-04 14:00", 2), *self.seen(4, 2)]
        assert judged(self.PACK, "03-20 12:00", *both) == (K.COMPLETED, None)

    def test_a_portal_that_does_not_show_the_second_part_is_stuck_after_minutes(self) -> None:
        first = [*self.confirmed(), self.dispatched("03-03 14:00", 1), *self.seen(3, 1)]
        crm, _, support = self.seen(4, 2)
        story = [*first, self.dispatched("03-04 14:00", 2), crm, support]
        assert judged(self.PACK, "03-04 14:06", *story) == (K.STUCK, "portal_shows_all")

    def test_a_portal_that_does_not_show_the_first_part_does_not_wait_for_the_second(self) -> None:
        story = [*self.confirmed(), self.dispatched("03-03 14:00", 1)]
        assert judged(self.PACK, "03-03 14:06", *story) == (K.STUCK, "portal_shows_all")

    def test_a_portal_that_shows_the_first_part_twice_does_not_show_the_second(self) -> None:
        first = [*self.confirmed(), self.dispatched("03-03 14:00", 1), *self.seen(3, 1)]
        crm, _, support = self.seen(4, 2)
        again = self.portal("03-04 14:03", "shipped", shipment_id="S1")
        story = [*first, self.dispatched("03-04 14:00", 2), crm, again, support]
        assert judged(self.PACK, "03-04 14:06", *story) == (K.STUCK, "portal_shows_all")

    def test_a_shipment_that_cannot_be_tracked_is_inconsistent(self) -> None:
        said = {"sales_order": "3016329", "shipment_id": "S1"}
        untracked = ("03-03 14:05", "salesforce", "shipment.created", said)
        single = ("03-03 14:00", "wms", "shipment.dispatched", said | {"shipments": 1})
        assert judged(self.PACK, "03-03 14:06", *self.confirmed(), single, untracked)[0] == K.INCONSISTENT


class TestUsageToRevenue:
    PACK = "usage-to-revenue"

    def period(self, type_: str, wall: str, **said: Any) -> Told:
        return wall, "usage-rating", type_, {"usage_period": "UP-202603-7", **said}

    def rated(self, amount: Any = 1250.0) -> list[Told]:
        closed = self.period("usage.period_closed", "03-25 00:05", subscription_id="sub_1")
        return [closed, self.period("usage.rated", "03-25 03:00", amount=amount, currency="USD")]

    def billed(self, amount: Any = "1250.03") -> Told:
        metadata = {"usage_period": "UP-202603-7"}
        said = {"invoice_id": "in_1", "amount": amount, "metadata": metadata}
        return "03-25 09:00", "stripe", "invoice.finalized", said

    def posted(self, amount: Any = 1250.03, wall: str = "03-26 11:00") -> Told:
        said = {"usage_period": "UP-202603-7", "accounting_document": "1900000017", "amount": amount}
        return wall, "sap", f"{BEH}journalentry.v1.JournalEntry.Created.v1", said

    def test_what_was_used_is_billed_and_booked_before_the_month_is_closed(self) -> None:
        assert due(self.PACK, *self.rated(), self.billed()) == {"revenue_recognised": "03-27 18:00"}
        assert judged(self.PACK, "04-01 09:00", *self.rated(), self.billed(), self.posted()) == (K.COMPLETED, None)

    def test_revenue_that_misses_the_closing_is_stuck(self) -> None:
        assert judged(self.PACK, "03-27 18:01", *self.rated(), self.billed()) == (K.STUCK, "revenue_recognised")
        late = self.posted(wall="03-30 09:00")
        assert judged(self.PACK, "04-01 09:00", *self.rated(), self.billed(), late)[0] == K.COMPLETED_LATE

    @pytest.mark.parametrize(("billed", "posted", "where"), [
        (1200, 1200, "usage_billed"), ("1250.03", 1100, "revenue_recognised"), (1250, 1251.2, None),
    ])  # fmt: skip
    def test_the_amounts_must_agree(self, billed: Any, posted: Any, where: str | None) -> None:
        story = [*self.rated(), self.billed(billed), self.posted(posted)]
        assert judged(self.PACK, "04-01 09:00", *story) == (K.INCONSISTENT if where else K.COMPLETED, where)

    def test_a_month_for_free_was_rated_and_one_without_an_amount_was_not(self) -> None:
        assert judged(self.PACK, "03-25 04:00", *self.rated(0))[0] == K.ON_TRACK
        assert judged(self.PACK, "03-25 04:00", *self.rated(None))[0] == K.INCONSISTENT

    def test_usage_that_came_late_begins_anew(self) -> None:
        reopened = self.period("usage.period_reopened", "03-26 14:00")
        story = [*self.rated(), self.billed(), self.posted(), reopened]
        assert due(self.PACK, *story) == {"usage_rated": "03-26 20:00"}


class TestRenewal:
    PACK = "renewal"
    QUOTED: Told = ("03-05 10:00", "salesforce", "quote.presented",
                    {"opportunity_id": "0069", "quote_id": "Q9", "quote_type": "Renewal"})  # fmt: skip
    ACCEPTED: Told = ("04-15 10:00", "salesforce", "quote.accepted",
                      {"quote_id": "Q9", "quote_type": "Renewal", "amount": 48250})  # fmt: skip
    CHURNED: Told = ("04-20 10:00", "salesforce", "opportunity.lost",
                     {"opportunity_id": "0069", "opportunity_type": "Renewal"})  # fmt: skip

    def opened(self, notice_days: int = 90) -> Told:
        said = {"opportunity_id": "0069", "opportunity_type": "Renewal", "notice_days": notice_days}
        return "03-02 10:00", "salesforce", "opportunity.created", said

    def signed(self, amount: int = 48250) -> Told:
        said = {"opportunity_id": "0069", "contract_id": "8001", "amount": amount, "end_date": "2027-05-31"}
        return "04-16 10:00", "salesforce", "subscription.activated", said

    def extended(self, until: str = "2027-05-31") -> Told:
        said = {"entitlement_id": "5501", "contract_id": "8001", "end_date": until}
        return "04-17 10:00", "salesforce", "entitlement.updated", said

    def test_the_entitlement_is_extended_before_the_old_one_ends(self) -> None:
        story = [self.opened(), self.QUOTED, self.ACCEPTED, self.signed()]
        # Ninety days, of which one is an hour shorter on the wall.
        assert due(self.PACK, *story) == {"entitlement_extended": "05-31 11:00"}
        assert judged(self.PACK, "06-01 09:00", *story) == (K.STUCK, "entitlement_extended")
        assert judged(self.PACK, "06-01 09:00", *story, self.extended()) == (K.COMPLETED, None)

    def test_a_shorter_notice_leaves_less_time(self) -> None:
        assert due(self.PACK, self.opened(30)) == {"quote_presented": "03-09 18:00", "churned": "03-22 10:00"}
        assert due(self.PACK, self.opened(60)) == {"quote_presented": "03-16 18:00", "churned": "04-21 11:00"}

    def test_churned_is_an_answer_and_gives_the_rest_up(self) -> None:
        assert set(due(self.PACK, self.opened(), self.QUOTED)) == {"renewal_accepted", "churned"}
        assert judged(self.PACK, "07-01 09:00", self.opened(), self.QUOTED, self.CHURNED) == (K.COMPLETED, None)

    def test_no_answer_is_stuck_before_the_end(self) -> None:
        kind, awaited = judged(self.PACK, "05-22 09:00", self.opened(), self.QUOTED)
        assert (kind, awaited in ("renewal_accepted", "churned")) == (K.STUCK, True)

    def test_a_contract_or_an_end_that_differs_is_inconsistent(self) -> None:
        story = [self.opened(), self.QUOTED, self.ACCEPTED]
        assert judged(self.PACK, "04-18 09:00", *story, self.signed(40000))[0] == K.INCONSISTENT
        wrong = (*story, self.signed(), self.extended("2026-06-30"))
        assert judged(self.PACK, "04-18 09:00", *wrong) == (K.INCONSISTENT, "entitlement_extended")
