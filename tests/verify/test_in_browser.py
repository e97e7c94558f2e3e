"""The second verifier, in a real browser: the same verdicts as the first, and words a reader understands."""

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from emeritus.column import render
from emeritus.core.errors import EmeritusError
from emeritus.process.verify import Target, check
from emeritus.record import SigningKey
from emeritus.record.source import MemorySource
from emeritus.web.pages.assets import asset

from .conftest import ESSAY, HOUSE, MODEL, copy_of

PAGE = f"/column/essays/{ESSAY}"
SIZE = 50
"""Entries of the record that `live` serves."""
CHECK = asset("check.js")[0]
RUN = """async ([script, files, key, essay]) => {
  const {checkEssay, parseKey, Missing, NotSound} = await import(script)
  const fetcher = async (path, most) => {
    if (!(path in files)) throw new Missing(path)
    const data = Uint8Array.from(atob(files[path]), letter => letter.charCodeAt(0))
    if (data.length > most) throw new NotSound("too much")
    return data
  }
  try {
    const found = await checkEssay(fetcher, essay, await parseKey(key))
    return found.edition.seq
  } catch (why) {
    return `${why.constructor.name}: ${why.message}`
  }
}"""
DIFFERENCE = """async ([script, html, raw]) => {
  const {difference} = await import(script)
  return difference(new DOMParser().parseFromString(html, "text/html").body.textContent, raw)
}"""


@pytest.fixture(scope="module")
def house():
    return HOUSE().fill()


@pytest.fixture(scope="module")
def live(house) -> Iterator[str]:
    """The address of that house's site."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(house.app(url), log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield url
        server.should_exit = True
        thread.join(10)


def pressed(page) -> tuple[str, str]:
    """Press the button; return what it says, and how."""
    page.get_by_role("button", name="Check this page").click()
    says = page.locator("#check [aria-live]")
    page.locator("#check .sound, #check .unsound, #check .unknown").wait_for()
    return says.text_content(), says.get_attribute("class")


def tampering(page, path, change):
    """Have the server answer *path* with something else."""

    def answer(route):
        held = route.fetch()
        route.fulfill(response=held, body=change(held.body()))

    page.route(lambda url: url.split("?")[0].endswith(path), answer)


def test_the_page_checks_itself(live, open_page, axe):
    """One press, one sentence; it is announced, it needs no other host, and it stays within its policy."""
    page = open_page(viewport={"width": 1000, "height": 800})
    page.goto(live + PAGE)
    sentence, how = pressed(page)
    assert how == "sound", sentence
    assert sentence.startswith(
        f"Sound: {MODEL} wrote this text on 2026-11-20, 1148 bytes, and nobody edited it"
    )
    assert "a key that this browser had not seen before" in sentence
    axe(page)
    sentence, how = pressed(page)
    assert how == "sound"
    assert "not seen before" not in sentence


def test_without_scripts_the_page_is_as_it_was(live, open_page):
    """A reader without JavaScript sees no button that does nothing, and the command for a shell."""
    page = open_page(java_script_enabled=False)
    page.goto(live + PAGE)
    assert not page.get_by_role("button", name="Check this page").is_visible()
    assert f"emeritus verify {live}{PAGE}" in page.content()


@pytest.mark.parametrize(
    ("path", "change", "says"),
    [
        (f"{ESSAY}.txt", lambda data: data.replace(b"blue", b"grey", 1), "The raw text is not the one"),
        (PAGE, lambda data: data.replace(b"never seen it", b"often seen it"), "The words on this page are not"),
        (PAGE, lambda data: data.replace(b"A great", b"A").replace(b"four letters long", b"four letters"), "The words on this page"),
        ("/record/checkpoint", lambda data: data.replace(b"\n%d\n" % SIZE, b"\n%d\n" % (SIZE - 1)), "Not sound: "),
        ("/record/keys", lambda _: f"{SigningKey.from_seed('record.example.org', bytes(32)).verify_key}\n".encode(), "not signed by the key in force"),
        (f"{ESSAY}.json", lambda data: data.replace(b"37,", b"36,"), "Entries that are said to be about it are not."),
        (f"{ESSAY}.json", lambda _: b"[" * 50_000, "Not sound: "),
        (f"/record/tile/0/000.p/{SIZE}", lambda data: data[:-1] + b"x", "does not stand in the record that was signed"),
        (f"/record/tile/entries/000.p/{SIZE}", lambda data: data[:-1], "is cut off"),
    ],
)  # fmt: skip
def test_a_server_that_tampers(live, open_page, path, change, says):
    """Whatever it changes, on the page or behind it, the reader is told that it is not sound, and what is not."""
    page = open_page()
    tampering(page, path, change)
    page.goto(live + PAGE)
    sentence, how = pressed(page)
    assert how == "unsound", sentence
    assert says in sentence


def test_another_key_than_the_one_seen_first(live, open_page):
    """A browser that was here before is not shown another key without being told."""
    page = open_page()
    page.goto(live + PAGE)
    pressed(page)
    other = f"{SigningKey.from_seed('record.example.org', bytes(32)).verify_key}\n".encode()
    tampering(page, "/record/keys", lambda _: other)
    sentence, how = pressed(page)
    assert how == "unsound"
    assert "another key than the one that this browser saw first" in sentence


def test_a_server_that_is_gone(live, open_page):
    """That is no verdict on the essay, and it says so."""
    page = open_page()
    page.goto(live + PAGE)
    page.route("**/record/**", lambda route: route.abort())
    sentence, how = pressed(page)
    assert how == "unknown", sentence
    assert sentence.startswith("Not checked: ")


def test_a_browser_without_ed25519(live, open_page):
    """It says plainly that it cannot check, instead of finding anything."""
    page = open_page()
    page.add_init_script(
        "crypto.subtle.importKey = async () => { throw new DOMException('no', 'NotSupportedError') }"
    )
    page.goto(live + PAGE)
    sentence, how = pressed(page)
    assert how == "unknown"
    assert "cannot check Ed25519 signatures" in sentence


# ---- the same verdicts ----


@pytest.fixture(scope="module")
def rotated(tmp_path_factory):
    """A site of some hundred entries whose key was rotated twice, and its first key."""
    house = HOUSE().fill()
    for number in (50, 51):
        new = SigningKey.from_seed(house.key.name, bytes([number]) * 32)
        house.log.rotate(new, by=house.steward, reason="Once a year.")
        for _ in range(130):
            house.say_something()
    return copy_of(house, tmp_path_factory.mktemp("rotated") / "site"), house.key.verify_key


def test_both_verifiers_come_to_the_same(live, open_page, rotated):
    """Whatever is changed in whichever file, Python and JavaScript both take it, or both refuse it."""
    files, key = rotated
    page = open_page()
    page.goto(live + PAGE)
    written = {path: base64.b64encode(data).decode() for path, data in files.items()}
    used = [name for name in files if name.startswith("record/") or ESSAY in name]
    words = json.loads(files[f"column/essays/{ESSAY}.json"])["entries"]
    assert len(words) >= 3
    used += [
        name
        for name, data in files.items()
        if name.startswith("utterances/")
        and name.endswith(".txt") is False
        and data.find(b"why the sky is blue") > 0
    ]

    def verdicts(changed):
        source = MemorySource({name: data for name, data in {**files, **changed}.items() if data is not None})
        try:
            ours = check(Target("essay", "", source, ESSAY), [key]).is_sound
        except EmeritusError:
            ours = False
        site = dict(written)
        for name, data in changed.items():
            site.pop(name)
            if data is not None:
                site[name] = base64.b64encode(data).decode()
        theirs = page.evaluate(RUN, [CHECK, site, str(key), ESSAY])
        return ours, isinstance(theirs, int), theirs

    assert verdicts({}) == (True, True, verdicts({})[2])
    seen = set()

    @settings(
        max_examples=80,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def change(data):
        path = data.draw(st.sampled_from(used))
        held = files[path]
        at = data.draw(st.integers(0, max(0, len(held) - 1)))
        how = data.draw(st.sampled_from(["flip", "cut", "gone", "more", "none"]))
        other = {
            "flip": held[:at] + bytes([held[at] ^ data.draw(st.integers(1, 255))]) + held[at + 1 :]
            if held
            else b"x",
            "cut": held[:at],
            "gone": None,
            "more": held + data.draw(st.sampled_from([b"\n", b" ", b"\x00", held[:50]])),
            "none": held,
        }[how]
        ours, theirs, why = verdicts({path: other})
        assert ours == theirs, (path, how, at, ours, why)
        seen.add(ours)

    change()
    assert seen == {True, False}


MARKDOWN = [
    "Plain words.",
    "# A title\n\nAnd *words* with **weight**, `code` and ~~regret~~.",
    "**Bold title**\n\n1. one\n2. two 1. three\n10) ten\n\n- a\n* b\n+ c",
    "Title: A name\n\nThe text.",
    'See [the *river*](https://example.org/a(b) "over there") and <https://example.org/x>.',
    "[a](<b c>) [d](e 'f') ![alt](https://example.org/i.png) [x][y]\n\n[y]: not-a-link",
    "```python\n1. not an item\nprint('x')\n```\n\n    2. indented\n\n> 3. quoted\n> words",
    "| a | b |\n|---|:-:|\n| 1. x | 2 |\n\nSetext\n======\n\nrule\n\n---\n\nend",
    "AT&amp;T &lt;b&gt; &#8212; &eacute;? \\*not\\* <b>html</b> <!-- gone? -->",
    "Hidden \u202e order \u200b and \u00ad hyphen\r\nnew line  \nbreak\\\nagain",
    "中文，标点。「引号」 — café ﬁ 😀 1 000,00",
    "1. 1. nested 1.\n   2. more\n\n2023. was a year\n\n2024 was too.",
    "A sentence without a heading that is long enough to be shortened " * 5 + ". Then more.",
    "",
]  # fmt: skip


def test_words_shown_are_the_raw_words(live, open_page):
    """How Markdown is shown makes no difference; a letter more, less or another one does."""
    page = open_page()
    page.goto(live + PAGE)

    def apart(html, text):
        return page.evaluate(DIFFERENCE, [CHECK, html, text])

    for raw in MARKDOWN:
        shown = render(raw)
        assert apart(shown.html, raw) is None, raw
        assert apart(shown.html + "<p>more</p>", raw) is not None, raw
        titled = f"{shown.title} {shown.body}"
        assert apart(shown.body, raw) is None or apart(titled, raw) is None, raw
        word = raw.find("ords")
        if word >= 0:
            assert apart(shown.html, raw[:word] + "ards" + raw[word + 4 :]) is not None, raw
