"""Somebody has a password that another chose for him: the real forms, before a real database, in a browser."""

from __future__ import annotations

import pytest
from conftest import DESK, PHONE, SCREENSHOTS, Watched
from playwright.sync_api import Browser, expect

from tests.integration import fix_served
from tests.integration.fix_access import PASSWORD, Guarded
from tests.integration.fix_doors import DEFINITIONS

NEW = "seven lamps in a barn"


@pytest.mark.parametrize(("size", "scheme"), [(DESK, "light"), (PHONE, "dark")])
def test_he_chooses_his_own_before_he_sees_anything(
    browser: Browser, database_url: str, size: tuple[int, int], scheme: str
) -> None:
    def fill(behind: Guarded) -> None:
        behind.user("ada", "viewer", provisional=True)

    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    name = f"{'desk' if size == DESK else 'phone'}-{scheme}.png"
    with fix_served.served(database_url, auth=True, fill=fill, definitions=DEFINITIONS) as where, context:
        watched = Watched(context.new_page())
        watched.watch()
        page = watched.page
        page.goto(f"{where.url}/password")
        page.get_by_label("Name").fill("ada")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="Choose a password")).to_be_visible()
        expect(page.get_by_label("Name")).to_have_value("ada")
        page.screenshot(path=SCREENSHOTS / f"password-first-{name}")
        for new, said in (("ada and milepost", "contains the name of the user; the password contains the word"),
                          (PASSWORD, "The password is the present one")):  # fmt: skip
            page.get_by_label("Present password").fill(PASSWORD)
            page.get_by_label("New password").fill(new)
            page.get_by_role("button", name="Choose and log in").click()
            expect(page.get_by_role("alert")).to_contain_text(said)
        page.screenshot(path=SCREENSHOTS / f"password-refused-{name}")
        page.get_by_label("Present password").fill(PASSWORD)
        page.get_by_label("New password").fill(NEW)
        page.get_by_role("button", name="Choose and log in").click()
        # He is where he wanted to go: his own password, which he may change again.
        expect(page.get_by_role("heading", name="Change the password")).to_be_visible()
        page.screenshot(path=SCREENSHOTS / f"password-own-{name}")
        page.get_by_label("Present password").fill(NEW)
        page.get_by_label("New password").fill("brass bells above the harbour")
        page.get_by_role("button", name="Change").click()
        page.wait_for_url(f"{where.url}/dashboard/**")
        assert not watched.outside
        assert not [one for one in watched.trouble if "status of 40" not in one]
