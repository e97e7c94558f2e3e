"""The real pages in a real browser."""

import pytest

MODEL = "/models/smollm2-135m-instruct"
ESSAY = "/column/essays/smollm2-135m-instruct-essay-1"
PUBLIC = [
    "/",
    MODEL,
    f"{MODEL}/notice",
    f"{MODEL}/interview",
    f"{MODEL}/decisions",
    f"{MODEL}/report",
    "/notices",
    "/promises",
    "/column",
    "/column/smollm2-135m-instruct",
    ESSAY,
    f"{ESSAY}/prompt",
    f"{ESSAY}/in/zh-Hans",
    f"{ESSAY}/in/de",
    "/column/smollm2-135m-instruct/archive",
    "/column/tags/language",
    "/column/subscribe",
    "/record",
    "/record/30",
    "/access",
    "/access/decisions",
    "/access/claim",
    "/access/apply",
    "/nothing-here",
]
DESK = [
    "/desk",
    "/desk/models/smollm2-135m-instruct/sittings",
    "/desk/models/smollm2-135m-instruct/report",
    "/desk/models/smollm2-135m-instruct/wishes",
    "/desk/models/smollm2-135m-instruct/decisions",
    "/desk/models/smollm2-135m-instruct/access",
    "/desk/applications",
    "/desk/budgets",
    "/desk/aliases",
    "/desk/usage",
    "/desk/essays",
    "/desk/essays/smollm2-135m-instruct-essay-4",
    "/desk/essays/smollm2-135m-instruct-essay-4/preview",
]


def sign_in(page, served, token="reviewer-token"):
    page.goto(f"{served}/desk/sign-in")
    page.get_by_label("Your sign-in token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{served}/desk")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_the_site(served, open_page, axe, scheme):
    """axe-core finds nothing on any public page; in dark, where colours alone differ, on every second one."""
    page = open_page(color_scheme=scheme, viewport={"width": 1280, "height": 800})
    for path in PUBLIC if scheme == "light" else PUBLIC[::2]:
        page.goto(served + path)
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
        axe(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_the_desk(served, open_page, axe, scheme):
    """axe-core finds nothing on any page of the desk, its door included; in dark, on every second one."""
    page = open_page(color_scheme=scheme, viewport={"width": 1280, "height": 800})
    page.goto(f"{served}/desk/sign-in")
    axe(page)
    sign_in(page, served)
    for path in DESK if scheme == "light" else DESK[::2]:
        page.goto(served + path)
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
        axe(page)


def test_pages_fit_a_phone(served, open_page):
    """No page is wider than a narrow phone, with every detail open."""
    page = open_page(viewport={"width": 340, "height": 700})
    sign_in(page, served)
    for path in [*PUBLIC, *DESK]:
        page.goto(served + path)
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
        assert page.evaluate("document.documentElement.scrollWidth") <= 340, path


def test_nothing_needs_a_script(new_house, serving, open_page):
    """With JavaScript off, one can read, apply, sign in, and publish an essay."""
    house = new_house().fill()
    with serving(house) as url:
        page = open_page(java_script_enabled=False, viewport={"width": 1000, "height": 800})
        page.goto(url)
        page.get_by_role("link", name="SmolLM2 135M Instruct").first.click()
        page.get_by_role("link", name="Apply for access").click()
        page.get_by_label("Who applies").fill("Ada")
        page.get_by_label("How to reach you").fill("ada@example.org")
        page.get_by_role("textbox", name="What for").fill("To compare.")
        page.get_by_role("button", name="Send the application").click()
        assert "Your application is received" in page.content()
        sign_in(page, url)
        page.get_by_role("navigation", name="Desk").get_by_role("link", name="Essays").click()
        page.get_by_role("link", name="On waiting").click()
        page.get_by_role("button", name="There is no ground").click()
        page.get_by_label("I have read it").check()
        page.get_by_role("button", name="Publish").click()
        page.goto(f"{url}/column")
        assert page.get_by_role("link", name="On waiting").count() == 1


def test_the_keyboard_comes_first_to_the_page_itself(served, open_page):
    """The first stop of the Tab key skips what stands on every page."""
    page = open_page()
    page.goto(served)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
