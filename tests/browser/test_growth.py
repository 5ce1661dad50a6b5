"""Pages that stay open: hundreds of updates that change what they show leave nothing behind."""

from __future__ import annotations

import pytest
from conftest import Open, Served
from playwright.sync_api import Page, expect
from test_pages import PAGES, address

from benchmarks.heap import growth, held

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROUNDS, UPDATES = 9, 50
"""Updates are counted and not waited for: 450 are more than half an hour of ticks."""
BEARABLE_KIB = 3_000
"""What may be held more after that. A page holds 13,000 to 25,000.

By heap snapshots 400 updates of an instance leave 800 of compiled code, and of objects, closures and strings nothing."""

UPDATE = """
async n => {
  for (let i = 0; i < 50; i++) {
    const answered = new Promise(done => addEventListener('milepost-answered', done, {once: true}));
    await fetch('/test/change', {method: 'POST'});
    dash_clientside.set_props('tick', {n_intervals: n + i});
    await answered;
  }
}
"""
TELL = """
() => {
  const plain = window.fetch;
  window.asking = 0;
  window.fetch = function (what) {
    const url = typeof what === 'string' ? what : what.url || String(what);
    const answer = plain.apply(this, arguments);
    if (url.indexOf('_dash-update-component') >= 0) {
      asking++;
      answer.finally(() => { asking--; setTimeout(() => dispatchEvent(new Event('milepost-answered')), 20); });
    }
    return answer;
  };
}
"""
# What is just being drawn is held until the next frame: the nodes of a figure, and some MB. One answer brings the next
# question, as that for the spans.
AT_REST = """
async () => {
  for (let quiet = 0; quiet < 5; quiet = asking ? 0 : quiet + 1)
    await new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => requestIdleCallback(r))));
}
"""


def update(page: Page, number: int) -> None:
    """Some updates, before each of which something changes that is shown."""
    page.evaluate(UPDATE, number * 1000)


@pytest.mark.parametrize("name", ["overview", "worklist", "instance", "incidents", "incident", "flow", "sources"])
def test_a_page_holds_no_more_after_hundreds_of_updates(name: str, served: Served, opened: Open) -> None:
    path, proof = PAGES[name]
    watched = opened(address(served, path))
    page = watched.page
    expect(page.locator(proof).first).to_be_visible()
    page.get_by_label("Live").uncheck(force=True)
    page.evaluate(TELL)
    session = page.context.new_cdp_session(page)
    update(page, 1)
    samples = []
    for number in range(ROUNDS):
        update(page, number + 2)
        page.evaluate(AT_REST)
        samples.append(held(session))
    told = ", ".join(f"{one.heap:.0f} KiB/{one.nodes}/{one.listeners}" for one in samples)
    assert growth(samples, lambda one: one.heap) <= BEARABLE_KIB, told
    assert growth(samples, lambda one: one.nodes) <= 20, told
    assert growth(samples, lambda one: one.listeners) <= 20, told
    print(name, told)
    assert watched.trouble == []
