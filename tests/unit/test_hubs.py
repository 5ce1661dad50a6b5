"""Which keys hold too much together."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from slo_rules.hubs import crowds, hubs_of

AT_MOST = {"order": 3, "customer": 3, "mail": 3}


def test_a_default_customer_is_a_hub() -> None:
    carried = [[f"order={n}", "customer=0815"] for n in range(4)]
    assert hubs_of(carried, AT_MOST) == {"customer=0815": 4}
    assert hubs_of(carried[:3], AT_MOST) == {}


def test_keys_that_come_together_are_found_together() -> None:
    carried = [[f"order={n}", "customer=0815", "mail=test"] for n in range(4)]
    assert hubs_of(carried, AT_MOST) == {"customer=0815": 4, "mail=test": 4}


def test_a_key_beside_a_hub_is_none() -> None:
    carried = [[f"order={n}", "customer=0815"] for n in range(9)] + [["order=1", f"mail={n}"] for n in range(3)]
    assert hubs_of(carried, AT_MOST) == {"customer=0815": 9}


def test_a_chain_has_no_hub() -> None:
    assert hubs_of([[f"order={n}", f"order={n + 1}"] for n in range(500)], AT_MOST) == {}


def test_what_one_key_joins_by_the_way_of_another_is_one_piece() -> None:
    carried = [[f"order={n}", "customer=0815"] for n in range(9)] + [[f"order={n}", f"order={n + 1}"] for n in range(8)]
    assert hubs_of(carried, AT_MOST) == {}


@given(
    st.lists(st.sets(st.sampled_from([f"{name}={n}" for name in AT_MOST for n in range(6)]), max_size=4), max_size=40)
)
def test_without_its_hubs_an_instance_has_none(carried: list[set[str]]) -> None:
    hubs = hubs_of([sorted(keys) for keys in carried], AT_MOST)
    assert all(pieces > 3 for pieces in hubs.values()) or len(hubs) > 1
    if hubs:
        left = [sorted(keys - hubs.keys()) for keys in carried]
        assert not hubs.keys() & hubs_of(left, AT_MOST).keys()


def test_an_instance_is_looked_at_when_it_grows_by_a_tenth() -> None:
    looked = [after for after in range(1, 400) if crowds(after - 1, after, 100)]
    assert looked[0] == 102
    assert all(b / a < 1.12 for a, b in pairwise(looked))
    assert len(looked) < 16
    assert crowds(60, 120, 100)
    assert not crowds(120, 121, 100)
