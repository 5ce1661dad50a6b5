"""A log that several projectors apply in shares comes to the same, row by row, as one that a single one applies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.applying import Applying
from collector.batches import Batch
from collector.catalogue import Catalogue
from collector.cycle_report import CycleReport
from collector.dividing import Divider
from collector.projector import Projector
from collector.rebuild import fingerprints, forget
from collector.sharing import Hand, Sharer
from collector.store.database import PLANNED_ONCE, Connection, connect
from collector.stretches import NOBODY, Share, leave_share, open_stretch, take_share, write_down
from slo_rules.acts import ACT_SOURCE, join_document
from slo_rules.definitions import load
from slo_rules.durations import HOUR
from slo_rules.event import Event, event_key
from slo_rules.judgement import CATCHING_UP_LAG
from slo_rules.workflow import Definitions
from tests.examples import on_one_database
from tests.projecting import enroll, project, projecting, receive, wipe
from tests.strategies import DEFINITIONS, EXPECTED, START, arrivals, make_event

pytestmark = pytest.mark.slow

SLOW = on_one_database(60)
END = START + 4000 * HOUR
FEW_JOIN = "order: {path: data.order, joins_at_most: 2,"


@pytest.fixture
def conns(either_url: str) -> Iterator[list[Connection]]:
    """The connection of whoever projects, of two who lend a hand, and of who divides."""
    with ExitStack() as opened:
        found = [opened.enter_context(projecting(either_url)) for _ in range(3)]
        for conn in found[1:]:
            Hand(conn)
        yield [*found, opened.enter_context(connect(either_url, "test divider", autocommit=True, options=PLANNED_ONCE))]


class Killed(Exception):
    """In place of a SIGKILL."""


class Mortal(Sharer):
    """Dies in the middle of its transaction after so many others."""

    lives = 0

    def _commit(self, share: Share, batch: Batch, applying: Applying, *, done: bool) -> Share:
        if self.lives == 0:
            with self._conn.transaction():
                batch.changes.prepare(self._catalogue, applying.unjoined).write(self._conn)
                raise Killed
        self.lives -= 1
        return super()._commit(share, batch, applying, done=done)


def world(joins: str, sap: str, crm: str) -> Definitions:
    """The definitions of tests/strategies.py, with keys that soon join too many or not."""
    text = DEFINITIONS.replace("order: {path: data.order,", joins)
    return load({"w.yaml": text.replace("silent_after: 2h", sap[1:-1]).replace("silent_after: 3h", crm[1:-1])})


def worlds() -> st.SearchStrategy[Definitions]:
    joins = st.sampled_from(["order: {path: data.order,", FEW_JOIN])
    return st.builds(world, joins, st.sampled_from(EXPECTED), st.sampled_from(EXPECTED))


@st.composite
def with_words(draw: st.DrawFn) -> list[Event]:
    """A history in the order of its arrival, in which people reject joins and accept them again."""
    history = draw(arrivals(24))
    for number in range(draw(st.integers(0, 3)) if history else 0):
        place = draw(st.integers(1, len(history)))
        meant = draw(st.sampled_from([one for one in history[:place] if one.source != ACT_SOURCE] or [history[0]]))
        key = draw(st.sampled_from(["order=1", "order=2", "opportunity=1", "sales_order=3"]))
        at = history[place - 1].received_at
        said = {"source": meant.source, "event": meant.document["id"], "by": "ana", "reason": "a mistake"}
        document = join_document(f"word{number}", "orders", key, at, said, accepts=draw(st.booleans()))
        word = Event(ACT_SOURCE, document["type"], at, at, event_key(ACT_SOURCE, f"word{number}"), document)
        history.insert(place, word)
    return history


def head_of(conn: Connection) -> tuple[int, int, int]:
    row = conn.execute(
        "SELECT p.seq, (extract(epoch FROM coalesce(p.received_at, 'epoch')) * 1000000)::bigint, "
        "(SELECT coalesce(max(seq), 0) FROM event) FROM projection p"
    ).fetchone()
    conn.commit()
    assert row is not None
    return row


def project_in_shares(conns: list[Connection], catalogue: Catalogue, draw: st.DataObject) -> int:
    """Apply the log, as far as that is possible in shares; how many stretches that were."""
    leader, *hands, dividing = conns
    projector = Projector(catalogue, batch=1)
    assert projector.acquire(leader)
    most, shares = draw.draw(st.integers(1, 12)), draw.draw(st.integers(1, 4))
    divider, stretches, ahead = Divider(catalogue), 0, None
    # One event alone first: what is known of sources begins with it.
    while (place := head_of(leader))[0] < place[2]:
        seq, received_at, _ = place
        divider._reader.limit = most
        stretch = ahead if ahead is not None and ahead.after == seq else None
        stretch = stretch or divider.divide(dividing, seq, received_at, most, shares)
        if stretch is None:
            projector._forget()
            projector.apply_batch(leader)
            continue
        stretches += 1
        with leader.transaction():
            write_down(leader, stretch)
        ahead = None
        for hand in draw.draw(st.lists(st.sampled_from(hands), max_size=4)):
            one = Mortal(hand, catalogue, stretch, CycleReport(), batch=draw.draw(st.integers(1, 4)))
            one.lives = draw.draw(st.integers(0, 3))
            with hand.transaction():
                held = take_share(hand) if draw.draw(st.booleans()) else None
            if held is not None:
                # Somebody has it, so that others come first.
                other = next(other for other in hands if other is not hand)
                Sharer(other, catalogue, stretch, CycleReport()).work()
                with hand.transaction():
                    leave_share(hand, held.number)
            try:
                one.work()
            except Killed:
                assert not hand.closed
            if ahead is None and draw.draw(st.booleans()):
                ahead = divider.divide(dividing, stretch.seq, stretch.received_at, most, shares)
        with leader.transaction():
            left = open_stretch(leader)
        assert left == stretch
        Sharer(leader, catalogue, left, CycleReport(), batch=draw.draw(st.integers(1, 4))).finish()
    projector._forget()
    projector.apply_batch(leader)
    projector.sweep(leader, END)
    return stretches


@SLOW
@given(worlds(), with_words(), st.data())
def test_shares_come_to_the_same_as_a_single_projector(
    conns: list[Connection], definitions: Definitions, history: list[Event], draw: st.DataObject
) -> None:
    conn = conns[0]
    wipe(conn)
    catalogue = enroll(conn, definitions)
    receive(conn, history)
    project(conn, catalogue, batch=draw.draw(st.integers(1, 9))).sweep(conn, END)
    wanted = fingerprints(conn)
    forget(conn, current_definitions=False)
    project_in_shares(conns, catalogue, draw)
    assert fingerprints(conn) == wanted


@SLOW
@given(arrivals(30), st.integers(1, 30), st.integers(1, 5))
def test_what_may_be_of_one_instance_is_in_one_share(
    conns: list[Connection], history: list[Event], most: int, shares: int
) -> None:
    conn, dividing = conns[0], conns[3]
    wipe(conn)
    catalogue = enroll(conn, world(FEW_JOIN, "{}", "{}"))
    # Of what was never heard the first event turns, and nothing is divided there.
    receive(conn, [make_event("noise", 0, n, source, {}) for n, source in enumerate(("crm", "sap", ACT_SOURCE), 90)])
    project(conn, catalogue)
    seq, received_at, _ = head_of(conn)
    receive(conn, history)
    stretch = Divider(catalogue).divide(dividing, seq, received_at, most, shares)
    if stretch is None:
        assert not history or history[0].source == ACT_SOURCE or turns(history[0])
        return
    dealt: dict[str, int] = {}
    for arrival, event in zip(stretch.arrivals(), history, strict=False):
        found = catalogue.matcher.matches(event)
        assert (arrival.matched, arrival.share == NOBODY) == (bool(found), not found)
        for key in (key for _, match in found for key in match.joining):
            assert dealt.setdefault(key, arrival.share) == arrival.share
    counts = Counter(one.share for one in stretch.arrivals() if one.share != NOBODY)
    assert set(counts) <= set(range(shares))


def turns(event: Event) -> bool:
    """Whether its source falls behind with it."""
    return event.received_at - event.occurred_at > CATCHING_UP_LAG


def test_what_the_stretch_before_will_join_is_in_one_share_before_it_is_applied(conns: list[Connection]) -> None:
    conn, dividing = conns[0], conns[3]
    catalogue = enroll(conn, world(FEW_JOIN, "{}", "{}"))
    said = [{"opportunity": "1"}, {"order": "2"}, {"sales_order": "3"}]
    receive(conn, [make_event("won", 0, n, "crm", data) for n, data in enumerate(said)])
    project(conn, catalogue)
    receive(conn, [make_event("linked", 1, 9, "crm", said[0] | said[1]), make_event("linked", 1, 10, "crm", said[2])])
    receive(conn, [make_event("shipped", 2, 20 + n, "crm", said[n % 3]) for n in range(9)])
    seq, received_at, _ = head_of(conn)
    divider = Divider(catalogue)
    divider._reader.limit = 2
    first = divider.divide(dividing, seq, received_at, 2, 2)
    divider._reader.limit = 9
    assert first is not None
    second = divider.divide(dividing, first.seq, first.received_at, 9, 2)
    assert second is not None
    shares = [one.share for one in second.arrivals()]
    assert shares == [shares[0], shares[0], shares[2]] * 3
    assert shares[2] != shares[0]


@pytest.mark.parametrize("damaged", ["stretch", "instances"])
def test_what_cannot_be_read_of_a_stretch_or_its_instances_stops_neither_the_leader_nor_a_hand(
    conns: list[Connection], damaged: str
) -> None:
    leader, helper, _, dividing = conns
    catalogue = enroll(leader, load({"w.yaml": DEFINITIONS}))
    orders = range(12)
    receive(leader, [make_event("won", n, n, "crm", {"order": f"SO-{n}"}) for n in orders])
    receive(leader, [make_event("noise", HOUR // 2, 40, "sap", {})])
    first = Projector(catalogue)
    assert first.acquire(leader)
    first.apply_batch(leader)
    receive(leader, [make_event("accepted", HOUR + n, 50 + n, "sap", {"order": f"SO-{n}"}) for n in orders])
    if damaged == "instances":
        with leader.transaction():
            leader.execute("UPDATE instance SET progress = %s WHERE title IN ('SO-3', 'SO-4', 'SO-5')", (b"\xc1",))
            leader.execute("DELETE FROM event WHERE id = 'e4'")
    seq, received_at, _ = head_of(leader)
    stretch = Divider(catalogue).divide(dividing, seq, received_at, 12, 3)
    assert stretch is not None
    with leader.transaction():
        write_down(leader, stretch)
    hand = Hand(helper)
    assert hand.help(CycleReport())
    if damaged == "stretch":
        with leader.transaction():
            leader.execute("UPDATE shared_stretch SET said = %s", (b"\x93\x01",))
        hand = Hand(helper)
        assert not hand.help(CycleReport())
    projector = Projector(catalogue)
    assert projector.acquire(leader)
    while not projector.cycle(leader).caught_up:
        while hand.help(CycleReport()):
            pass
    seen = "SELECT i.title FROM instance i JOIN instance_event l ON l.instance_id = i.id JOIN event e ON e.seq = l.seq "
    heard = {title for (title,) in leader.execute(seen + "WHERE e.type = 'accepted'").fetchall()}
    letters = leader.execute("SELECT event_id FROM dead_letter").fetchall()
    leader.commit()
    assert leader.execute("SELECT count(*) FROM shared_stretch").fetchone() == (0,)
    leader.commit()
    if damaged == "instances":
        assert (heard, letters) == ({f"SO-{n}" for n in orders if n != 4}, [("e54",)])
        return
    assert (heard, letters) == ({f"SO-{n}" for n in orders}, [])
    before = fingerprints(leader)
    forget(leader, current_definitions=False)
    project(leader, catalogue)
    after = fingerprints(leader)
    assert {name for name in before if before[name] != after[name]} <= {"source_state"}
