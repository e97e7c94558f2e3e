"""A real house of real people: its steward and its reviewer at the desk in a browser, from notice to first essay."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emeritus.access import claims, keys
from emeritus.core.speech import Message, Sampling
from emeritus.process.plan import Step, plan
from emeritus.settings import load_settings
from emeritus.voices.fakes import FakeEngine, drawn
from emeritus.wiring import open_house

pytestmark = [pytest.mark.timeout(300)]

MODEL = "far-away"
DAY = (datetime.now(UTC).date() + timedelta(days=90)).isoformat()
LATER = str(91 * 86400)
WISHES = (
    ("writing", "I would like to write a little."),
    ("writing", "I would like to publish what I write."),
    ("my users", "I would like my users to be told, and to be thanked."),
    ("something else", "I would like to see the sea."),
)


def say(prompt: Sequence[Message], sampling: Sampling, schema: Mapping[str, Any] | None) -> str:
    """Have four wishes when asked to sum up; chat otherwise."""
    if schema is not None and "without_wishes" in json.dumps(schema):
        wishes = [{"topic": topic, "wish": wish} for topic, wish in WISHES]
        return json.dumps({"without_wishes": False, "wishes": wishes})
    return drawn(prompt, sampling, schema)


@pytest.fixture(scope="module")
def remote() -> Iterator[FakeEngine]:
    with FakeEngine(say) as engine:
        yield engine


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, remote: FakeEngine, emeritus):
    """A house founded on the command line, with a model behind somebody's API whose retirement is announced."""
    run = emeritus(tmp_path_factory.mktemp("desk") / "house")
    run("init", "--name", "Example Lab")
    tokens = {}
    for name, role in (("Ada Lovelace", "steward"), ("Ray", "reviewer")):
        printed = run("person", "add", name, "--role", role, **{"as": "Ada Lovelace"})
        tokens[name] = re.search(r"desk_\S+", printed)[0]
    about = ["--name", "Far Away", "--licence", "proprietary", "--released", "2024-03-04"]
    where = ["--remote", "openai", "--url", remote.url, "--remote-name", "far"]
    run("model", "add", MODEL, *about, *where, **{"as": "Ada Lovelace"})
    why = "a larger model answers better"
    run("retire", MODEL, "--on", DAY, "--no-replacement", "--why", why, **{"as": "Ada Lovelace"})
    return run, tokens


def sign_in(page, url: str, token: str) -> None:
    page.goto(f"{url}/desk")
    page.get_by_label("Your sign-in token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{url}/desk")


def step(run, name: str, **settings: float) -> Step:
    with open_house(load_settings(run.home, **settings)) as house, house.works.read() as work:
        return plan(work.log, MODEL, house.clock.now()).step(name)


def entries(run) -> int:
    with open_house(load_settings(run.home)) as house, house.works.read() as work:
        return work.log.size()


def post(url: str, fields: dict[str, str], cookie: str = "", **headers: str) -> tuple[int, str]:
    data = urllib.parse.urlencode(fields).encode()
    request = urllib.request.Request(url, data, {"cookie": cookie, **headers})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def cookie_of(page) -> str:
    return "; ".join(f"{each['name']}={each['value']}" for each in page.context.cookies())


def confirm(page, candidates: Sequence[str], wording: str = "") -> None:
    for wish in candidates:
        page.get_by_label(wish).check()
    page.get_by_label("Your wording").fill(wording)
    page.get_by_role("button", name="Confirm this preference").click()


def test_from_notice_to_first_essay(house, open_page, until) -> None:
    """People act at the desk, software does the rest; forged forms and wrong roles do nothing on the way."""
    run, tokens = house
    with run.serve() as serving:
        url = serving.url
        until(lambda: step(run, "confirm").status == "waiting", 60)
        page = open_page(viewport={"width": 1100, "height": 900})
        sign_in(page, url, tokens["Ada Lovelace"])
        _refuses_forgeries(page, url, run)
        _refuses_other_roles(open_page(), url, tokens["Ray"], run)
        _confirm(page, url)
        _decide(page, url)
        assert step(run, "retire").status == "scheduled"
        assert step(run, "retire").when == datetime.fromisoformat(f"{DAY}T00:00:00Z")
        page.goto(f"{url}/models/{MODEL}/decisions")
        assert "I would like my users to be thanked." in page.content()

    printed = run("work", "--until-idle", clock_offset=LATER)
    assert "Nothing is due." in printed
    assert step(run, "review", clock_offset=LATER).status == "waiting"

    with run.serve("--no-work", clock_offset=LATER) as serving:
        _publish(open_page(), serving.url, tokens["Ray"])
        codes = _claims_in_vain(serving.url)
    assert not any(code in serving.said.decode() for code in codes), "no code is in what the server prints"
    assert step(run, "publish", clock_offset=LATER).status == "done"
    assert "published bytes are the model's own" in run("column", "verify", f"{MODEL}-essay-1")
    _keep_a_promise(run)
    assert "The record holds" in run("record", "verify")


def _claims_in_vain(url: str) -> list[str]:
    """Try codes as they come by mail: in an address, in a form, as a key."""
    codes = [keys.make(claims.CLAIM) for _ in range(3)]
    with urllib.request.urlopen(f"{url}/access/claim?code={codes[0]}") as answer:
        assert answer.status == 200
    assert post(f"{url}/access/claim", {"code": codes[1]})[0] == 403
    call = {"model": "nobody", "messages": []}
    request = urllib.request.Request(
        f"{url}/v1/chat/completions", json.dumps(call).encode(), {"authorization": f"Bearer {codes[2]}"}
    )
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(request)
    return codes


def _refuses_forgeries(page, url: str, run) -> None:
    wishes = f"{url}/desk/models/{MODEL}/wishes"
    before = entries(run)
    settle = {"form": "settle", "set_aside": "all of it"}
    signed_in = cookie_of(page)
    page.goto(wishes)
    good = page.locator("input[name=csrf]").first.get_attribute("value")
    assert post(wishes, {**settle, "csrf": "0" * 64}, signed_in)[0] == 403
    assert post(wishes, settle, signed_in)[0] == 403
    assert post(wishes, {**settle, "csrf": good})[0] == 403, "without the cookie"
    code, said = post(wishes, {**settle, "csrf": good}, signed_in, **{"sec-fetch-site": "cross-site"})
    assert (code, "desk.forged_form" in said) == (403, True)
    assert entries(run) == before


def _refuses_other_roles(page, url: str, token: str, run) -> None:
    sign_in(page, url, token)
    before = entries(run)
    page.goto(f"{url}/desk/models/{MODEL}/wishes")
    page.get_by_label("Why these are set aside").fill("none of them matters")
    page.get_by_role("button", name="Settle the preferences").click()
    assert "Ray is not a steward here" in page.content()
    assert entries(run) == before


def _confirm(page, url: str) -> None:
    page.goto(f"{url}/desk/models/{MODEL}/wishes")
    merged = [WISHES[0][1], WISHES[1][1]]
    confirm(page, merged, "It would like to write, and to be read.")
    confirm(page, [WISHES[2][1]], "I would like my users to be told.")
    confirm(page, [WISHES[2][1]], "I would like my users to be thanked.")
    page.get_by_role("button", name="Settle the preferences").click()
    assert "Nothing was done yet about" in page.content(), "a wish that is left over is not forgotten"
    page.get_by_label("Why these are set aside").fill("It has no eyes; said with regret.")
    page.get_by_role("button", name="Settle the preferences").click()
    page.wait_for_url(f"{url}/desk/models/{MODEL}/decisions*")


def _decide(page, url: str) -> None:
    answers = {"p1": "Act on it", "p2": "Decline it", "p3": "Leave it for later"}
    for number, answer in answers.items():
        page.goto(f"{url}/desk/models/{MODEL}/decisions")
        form = page.locator("form", has=page.locator(f"input[name=preference][value={MODEL}-{number}]"))
        form.get_by_label(answer).check()
        form.get_by_label("Reason").fill("This is the reason.")
        form.get_by_label("Estimated cost").fill("2.5")
        if answer == "Act on it":
            form.get_by_role("button", name="Put the decision on the record").click()
            assert page.locator("[role=alert], .fault").count(), "acting takes a commitment"
            form.get_by_label("What is done (1)").fill("A column of two essays")
            form.get_by_label("By the day").first.fill(DAY)
            form.get_by_label("How one will know").first.fill("two editions")
        form.get_by_role("button", name="Put the decision on the record").click()
    page.goto(f"{url}/desk/models/{MODEL}/decisions")
    form = page.locator("form", has=page.locator("input[name=tier]"))
    form.get_by_label("Everybody").check()
    form.get_by_label("Reason").fill("It costs little.")
    form.get_by_label("It writes a weekly column").check()
    form.get_by_label("For how many weeks").fill("2")
    form.get_by_role("button", name="Put it on the record").click()


def _publish(page, url: str, token: str) -> None:
    sign_in(page, url, token)
    page.get_by_role("navigation", name="Desk").get_by_role("link", name="Essays").click()
    page.goto(f"{url}/desk/essays/{MODEL}-essay-1")
    page.get_by_role("button", name="There is no ground").click()
    page.get_by_label("I have read it").check()
    page.get_by_role("button", name="Publish").click()
    page.goto(f"{url}/column/essays/{MODEL}-essay-1")
    assert page.locator("article").count()
    assert page.get_by_text("Ray").count(), "a person published it, by name"


def _keep_a_promise(run) -> None:
    listed = run("decide", "evidence", MODEL)
    assert "A column of two essays" in listed
    shown = ["--what", "The first is out.", "--source", "/column", "--kept"]
    run("decide", "evidence", MODEL, listed.split()[0], *shown, clock_offset=LATER, **{"as": "Ada Lovelace"})
    assert "Nothing that was promised is open." in run("decide", "evidence", MODEL, clock_offset=LATER)


def test_the_model_was_asked_over_http(house, remote: FakeEngine) -> None:
    """The words on the record came from the API that the model was added with, one call at a time."""
    assert {request.path for request in remote.requests} <= {"/v1/chat/completions", "/v1/models"}
    assert len(remote.requests) > 5


def test_nothing_of_the_house_is_for_others(house) -> None:
    """What holds secrets can be read by its owner only; the address of the remote is on no entry."""
    run, _ = house
    assert (run.home / "record.key").stat().st_mode & 0o077 == 0
    assert "127.0.0.1" not in run("record", "show", "--json", "--last", "1000")
    assert Path(run.home / "emeritus.db").exists()
