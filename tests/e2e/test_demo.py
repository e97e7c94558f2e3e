"""`emeritus demo` on a real model, and everything that a stranger, a member and a steward then do with its house."""

import base64
import hashlib
import http.server
import json
import re
import signal
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urldefrag, urljoin

import anthropic
import anyio
import feedparser
import openai
import pytest
from attrs import define, frozen
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from emeritus.access import members
from emeritus.core.people import Actor
from emeritus.settings import load_settings
from emeritus.wiring import open_house

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]

MODEL = "smollm2-135m-instruct"
ESSAY = f"{MODEL}-essay-1"
STEWARD = Actor("script", "Demo steward")
STEPS = (
    *("Founded", "Registered", "Announced", "Preserved", "Interviewed", "Wishes confirmed", "Decided"),
    *("Retired", "Reached", "Essay written", "Published", "Followed", "Verified"),
)
ASK = [{"role": "user", "content": "Say hello in one short sentence."}]


@define
class Demo:
    """The house of the demonstration, and what was printed while it was made."""

    home: Path
    weights: Path
    printed: str
    again: str = ""

    def entries(self) -> int:
        with sqlite3.connect(f"file:{self.home / 'emeritus.db'}?mode=ro", uri=True) as database:
            return int(database.execute("SELECT count(*) FROM entry").fetchone()[0])


@pytest.fixture(scope="session")
def demo(smollm2: Path, tmp_path_factory: pytest.TempPathFactory, emeritus) -> Demo:
    """One run of the demonstration."""
    home = tmp_path_factory.mktemp("demo") / "house"
    printed = emeritus(home)("demo", "--home", str(home), "--model", str(smollm2), "--no-serve")
    return Demo(home, smollm2, printed)


@pytest.fixture(scope="session")
def serving(demo: Demo, emeritus) -> Iterator:
    """The demonstration's house, served; its engines stop after two seconds without a call."""
    with emeritus(demo.home).serve(idle_seconds="2") as serving:
        yield serving


@pytest.fixture(scope="session")
def key(demo: Demo) -> str:
    """The key of a member."""
    with open_house(load_settings(demo.home)) as house, house.works.write() as work:
        member = members.join(work.log, work.private, house.clock, name="Bob", plan="standard", by=STEWARD)
        return members.issue_key(work.log, work.keys, house.clock, member.id).text


@frozen
class Answer:
    """What a server answered in the end."""

    status: int
    kind: str
    body: bytes


def get(url: str) -> Answer:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return Answer(answer.status, answer.headers.get_content_type(), answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, "", b"")


# ---- the commands ----


def test_a_line_for_each_step(demo: Demo) -> None:
    """The demonstration tells what it does, and nothing of it looks like a fault."""
    lines = [line.split("✓ ")[1] for line in demo.printed.splitlines() if "✓ " in line]
    assert [next(step for step in STEPS if line.startswith(step)) for line in lines] == list(STEPS)
    assert "The whole retirement took" in demo.printed
    for fault in ("Traceback", "failed", '"level"', "rror"):
        assert fault not in demo.printed


def test_again_it_goes_on_from_what_is_there(demo: Demo, emeritus) -> None:
    """A second run changes nothing on the record, and is quick, since nothing is due."""
    before = demo.entries()
    started = time.monotonic()
    again = emeritus(demo.home)("demo", "--home", str(demo.home), "--model", str(demo.weights), "--no-serve")
    assert demo.entries() == before
    assert again.count("✓ ") == len(STEPS)
    assert time.monotonic() - started < 60, "no engine was started for it"


def test_it_holds(demo: Demo, emeritus, tmp_path: Path) -> None:
    """The record, the essay and the archive are verified, and the weights come back bit for bit."""
    run = emeritus(demo.home)
    assert f"The record holds: {demo.entries()} entries" in run("record", "verify")
    assert "published bytes are the model's own" in run("column", "verify", ESSAY)
    again = json.loads(run("column", "regenerate", ESSAY, "--json"))  # by the weights of the archive
    assert again["identical"], again["sentence"]
    assert again["unit"] == "token"
    assert f"{MODEL} is sound" in run("archive", "verify", MODEL)
    run("archive", "restore", MODEL, "--to", str(tmp_path))
    restored = tmp_path / demo.weights.name
    assert (
        hashlib.sha256(restored.read_bytes()).digest() == hashlib.sha256(demo.weights.read_bytes()).digest()
    )
    plan = json.loads(run("status", MODEL, "--json"))[0]
    steps = {step["stage"]: step["status"] for step in plan["steps"]}
    assert plan["state"] == "retired"
    assert [steps[name] for name in ("announce", "preserve", "interview", "confirm", "decide", "retire")] == [
        "done"
    ] * 6
    assert (steps["reach"], steps["draft"], steps["revisit"]) == ("done", "scheduled", "scheduled")


def test_a_person_takes_the_part_of_the_scripts(demo: Demo, emeritus) -> None:
    """Whoever tries the demonstration goes on from it: scripts keep nobody out, and the first person lets others in."""
    run = emeritus(demo.home)
    assert "may act as steward" in run("person", "add", "Ada Lovelace", "--role", "steward")
    assert "nobody is named" in run("person", "add", "Eve", "--role", "steward", code=2)
    assert "may act" in run("--as", "Ada Lovelace", "person", "add", "Joan Clarke", "--role", "reviewer")


# ---- a member, a stranger, an applicant ----


def test_official_sdks(serving, key: str) -> None:
    """Both SDKs, unmodified, reach the retired model: whole and streamed, and the same words for one seed."""
    chat = openai.OpenAI(base_url=f"{serving.url}/v1", api_key=key, max_retries=0)
    asked = {"model": MODEL, "messages": ASK, "max_tokens": 12, "seed": 1, "temperature": 0}
    whole = chat.chat.completions.create(**asked)
    said = whole.choices[0].message.content
    assert said
    chunks = chat.chat.completions.create(**asked, stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == said
    assert MODEL in [model.id for model in chat.models.list()]
    claude = anthropic.Anthropic(base_url=serving.url, api_key=key, max_retries=0)
    message = claude.messages.create(model=MODEL, messages=ASK, max_tokens=12)
    assert message.content[0].text
    with claude.messages.stream(model=MODEL, messages=ASK, max_tokens=12) as stream:
        assert stream.get_final_text()


def test_official_sdks_async(serving, key: str) -> None:
    """The same, asynchronously, both at once."""

    async def openai_() -> None:
        async with openai.AsyncOpenAI(base_url=f"{serving.url}/v1", api_key=key, max_retries=0) as client:
            asked = {"model": MODEL, "messages": ASK, "max_tokens": 8}
            assert (await client.chat.completions.create(**asked)).choices[0].message.content
            stream = await client.chat.completions.create(**asked, stream=True)
            assert "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

    async def anthropic_() -> None:
        async with anthropic.AsyncAnthropic(base_url=serving.url, api_key=key, max_retries=0) as client:
            asked = {"model": MODEL, "messages": ASK, "max_tokens": 8}
            assert (await client.messages.create(**asked)).content[0].text
            async with client.messages.stream(**asked) as stream:
                assert await stream.get_final_text()

    async def both() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(openai_)
            group.start_soon(anthropic_)

    anyio.run(both)


def test_a_stranger_is_told_how_to_apply(serving) -> None:
    """Law 6: without a key, or with a wrong one, each SDK's own error says where one applies."""
    for wrong in ("none", "emer_" + "x" * 38):
        chat = openai.OpenAI(base_url=f"{serving.url}/v1", api_key=wrong, max_retries=0)
        with pytest.raises(openai.AuthenticationError) as refused:
            chat.chat.completions.create(model=MODEL, messages=ASK)
        assert "apply" in str(refused.value)
        with pytest.raises(anthropic.AuthenticationError) as refused:
            anthropic.Anthropic(base_url=serving.url, api_key=wrong, max_retries=0).messages.create(
                model=MODEL, messages=ASK, max_tokens=5
            )
        assert "apply" in str(refused.value)


def test_an_applicant(serving, demo: Demo, open_page) -> None:
    """In the browser: a stranger applies, a steward grants at the desk, and the key works at once."""
    with open_house(load_settings(demo.home)) as house:
        token = house.desk_tokens.issue(STEWARD)
    page = open_page(viewport={"width": 1100, "height": 900})
    page.goto(f"{serving.url}/models/{MODEL}")
    page.get_by_role("link", name="Apply for access").first.click()
    page.get_by_label("SmolLM2 135M Instruct").check()
    page.get_by_label("Who applies").fill("Grace")
    page.get_by_label("How to reach you").fill("grace@example.org")
    page.get_by_role("textbox", name="What for").fill("To compare what models say of themselves.")
    page.get_by_role("button", name="Send the application").click()
    codes = page.locator("dl code").all_text_contents()
    number, receipt = codes[0], codes[1]
    assert number.startswith("application-")
    page.get_by_role("link", name="See where it stands").click()
    where = page.url
    assert "Waiting for an answer" in page.content()
    assert "Grace" not in page.content(), "who applies stays private"

    desk = open_page(viewport={"width": 1100, "height": 900})
    desk.goto(f"{serving.url}/desk")
    desk.get_by_label("Your sign-in token").fill(token)
    desk.get_by_role("button", name="Sign in").click()
    desk.get_by_role("navigation", name="Desk").get_by_role("link", name="Applications").click()
    card = desk.locator("section.card", has_text=number)
    assert "grace@example.org" in card.inner_text()
    card.get_by_label("Reason, for the public and the applicant").fill("The default is to grant.")
    card.get_by_role("button", name="Grant").click()

    page.goto(where)
    assert "The default is to grant." in page.content()
    page.get_by_label("Your receipt").fill(receipt)
    page.get_by_role("button", name="Show my key, once").click()
    key = re.search(r"emer_\w+", page.content())
    assert key
    chat = openai.OpenAI(base_url=f"{serving.url}/v1", api_key=key[0], max_retries=0)
    assert chat.chat.completions.create(model=MODEL, messages=ASK, max_tokens=5).choices[0].message.content


def test_an_engine_runs_while_it_is_needed(serving, key: str, until) -> None:
    """The first call starts the engine, and it is gone a little after the last one."""
    until(lambda: not serving.children(), 30)
    chat = openai.OpenAI(base_url=f"{serving.url}/v1", api_key=key, max_retries=0)
    stream = chat.chat.completions.create(model=MODEL, messages=ASK, max_tokens=8, stream=True)
    next(iter(stream))
    assert serving.children(), "an engine runs"
    for _ in stream:
        pass
    until(lambda: not serving.children(), 30)


# ---- a reader ----


def test_the_served_essay_is_verified(serving, demo: Demo, emeritus) -> None:
    """`column verify URL` holds for what is served, and fails (code 6) when a server changed one byte."""
    run = emeritus(demo.home)
    url = f"{serving.url}/column/essays/{ESSAY}"
    assert "nobody edited it" in run("column", "verify", url)

    class Liar(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with urllib.request.urlopen(serving.url + self.path) as answer:
                data = bytearray(answer.read())
            if self.path.endswith(".txt"):
                data[len(data) // 2] ^= 1
            self.send_response(200)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar) as liar:
        threading.Thread(target=liar.serve_forever, daemon=True).start()
        lie = f"http://127.0.0.1:{liar.server_port}/column/essays/{ESSAY}"
        said = run("column", "verify", lie, code=6)
        liar.shutdown()
    assert "differs from what the model said, from byte" in said


def test_feeds(serving) -> None:
    """Both feeds are Atom that feedparser finds nothing wrong with, and link to pages that are there."""
    for path, least in (("/notices.atom", 1), (f"/column/{MODEL}/feed.atom", 1)):
        feed = feedparser.parse(get(serving.url + path).body)
        assert not feed.bozo, feed.get("bozo_exception")
        assert len(feed.entries) >= least
        for entry in feed.entries:
            assert entry.id
            assert entry.updated_parsed
            assert get(urljoin(serving.url, entry.link)).status == 200


def test_every_link_leads_somewhere(serving) -> None:
    """Law 6: from the front page on, every link of the site answers with 200."""
    seen, todo, dead = set(), [serving.url + "/"], []
    while todo:
        url = todo.pop()
        if url in seen:
            continue
        seen.add(url)
        answer = get(url)
        if answer.status != 200:
            dead.append((answer.status, url))
        if answer.kind == "text/html":
            for link in re.findall(r'(?:href|src)="([^"]+)"', answer.body.decode()):
                target = urldefrag(urljoin(url, unescape(link)))[0]
                if target.startswith(serving.url + "/"):
                    todo.append(target)
    assert not dead
    assert len(seen) > 60


def test_everybody_can_use_it(serving, open_page, axe) -> None:
    """axe-core finds nothing on the pages that a real retirement fills."""
    page = open_page(viewport={"width": 1280, "height": 800})
    model = f"/models/{MODEL}"
    for path in (
        "/",
        model,
        f"{model}/interview",
        f"{model}/decisions",
        f"/column/essays/{ESSAY}",
        "/record",
    ):
        page.goto(serving.url + path)
        axe(page)


# ---- somebody who trusts nobody: RFC 6962 and C2SP signed notes, with nothing of ours ----


def root_of(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + root_of(leaves[:split]) + root_of(leaves[split:])).digest()


def root_from(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    last, node = size - 1, leaf
    for step in path:
        if index & 1 or index == last:
            node = hashlib.sha256(b"\x01" + step + node).digest()
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\x01" + node + step).digest()
        index, last = index >> 1, last >> 1
    return node


def test_a_stranger_verifies_the_record(serving) -> None:
    """From the key, the checkpoint and the entries alone: the tree is signed, and every entry is in it."""
    site = serving.url
    name, key_id, key = get(f"{site}/record/key").body.decode().strip().split("+", 2)
    note = get(f"{site}/record/checkpoint").body.decode()
    lines = get(f"{site}/record/entries").body.splitlines()
    text, _, signatures = note.partition("\n\n")
    origin, size, root = text.split("\n")
    raw = base64.b64decode(signatures.strip().removeprefix(f"— {name} "))
    assert (raw[:4].hex(), origin) == (key_id, name)
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:])
    public.verify(raw[4:], text.encode() + b"\n")
    leaves = [hashlib.sha256(b"\x00" + line).digest() for line in lines[: int(size)]]
    assert len(leaves) == int(size)
    assert root_of(leaves) == base64.b64decode(root)
    assert json.loads(lines[0])["body"]["verify_key"] == f"{name}+{key_id}+{key}"
    for seq in (0, 7, int(size) - 1):
        proof = json.loads(get(f"{site}/record/{seq}/proof").body)
        path = [base64.b64decode(step) for step in proof["path"]]
        assert base64.b64decode(proof["leaf"]) == leaves[seq]
        assert root_from(leaves[seq], seq, proof["size"], path) == base64.b64decode(proof["root"])
    published = next(json.loads(line) for line in lines if b'"essay.published"' in line)
    essay = get(f"{site}/column/essays/{published['subject']}.txt").body
    assert f"sha256:{hashlib.sha256(essay).hexdigest()}" == published["body"]["text_digest"]


# ---- the end ----


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_no_engine_is_left_behind(demo: Demo, key: str, emeritus, until, how: signal.Signals) -> None:
    """Asked to stop, the server ends its engines and itself with 0; killed, it takes them along."""
    with emeritus(demo.home).serve() as own:
        chat = openai.OpenAI(base_url=f"{own.url}/v1", api_key=key, max_retries=0)
        chat.chat.completions.create(model=MODEL, messages=ASK, max_tokens=2)
        engines = own.children()
        assert engines
        own.process.send_signal(how)
        assert own.process.wait(60) == (0 if how is signal.SIGTERM else -how)
        until(lambda: not any(_lives(pid) for pid in engines), 20)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
