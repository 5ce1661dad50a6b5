"""What is connected, against an oracle that remembers everything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slo_rules.connected import Connected, deal

ROUNDS = st.lists(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=3), max_size=6), max_size=6)


def together(edges: list[list[int]]) -> list[set[int]]:
    found: list[set[int]] = []
    for edge in edges:
        met = set(edge)
        apart = []
        for group in found:
            if group & met:
                met |= group
            else:
                apart.append(group)
        found = [*apart, met]
    return found


@given(ROUNDS)
def test_what_was_connected_in_this_round_or_the_two_before_is_one_whole(rounds: list[list[list[int]]]) -> None:
    connected = Connected()
    for number, edges in enumerate(rounds):
        numbers = [connected.connect(edge) for edge in edges]
        wholes = [connected.whole(one) for one in numbers]
        lately = together([edge for of_round in rounds[max(0, number - 2) : number + 1] for edge in of_round])
        ever = together([edge for of_round in rounds[: number + 1] for edge in of_round])
        for a, whole in zip(edges, wholes, strict=True):
            for b, other in zip(edges, wholes, strict=True):
                if any(a[0] in group and b[0] in group for group in lately):
                    assert whole == other
                if whole == other:
                    assert any(a[0] in group and b[0] in group for group in ever)
        connected.turn()


@given(st.lists(st.integers(0, 30)), st.integers(1, 9))
def test_every_whole_goes_to_one_share_and_none_gets_much_more_than_another(wholes: list[int], shares: int) -> None:
    dealt = deal(wholes, shares)
    assert dealt.keys() == set(wholes)
    loads = [sum(1 for whole in wholes if dealt[whole] == share) for share in range(shares)]
    largest = max((wholes.count(whole) for whole in wholes), default=0)
    assert max(loads) - min(loads) <= largest


def test_what_is_not_mentioned_for_two_rounds_is_let_go() -> None:
    connected = Connected()
    connected.connect(["a", "b"])
    for _ in range(3):
        connected.turn()
    assert connected.whole(connected.connect(["a"])) != connected.whole(connected.connect(["b"]))
    assert len(connected._parents) == 2
