"""Two nodes over real HTTP, each with a pool of its own: what one has not, the other says."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import uvicorn
from starlette.applications import Starlette

from emeritus.core.clock import SystemClock
from emeritus.core.errors import NotFound
from emeritus.voices import EngineDied, Limits, NotUnderstood, Pool, VoiceClosed
from emeritus.voices.errors import Busy, Unreachable
from emeritus.voices.fakes import FakeVoice
from emeritus.voices.neighbours import Neighbours
from emeritus.voices.nodes import Node
from emeritus.voices.passage import Passage
from emeritus.web.passing import passing_routes

CHAT = "/v1/chat/completions"
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}).encode()


class Book:
    """What the nodes share, in memory."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.pinned: list[str] = []

    def beat(self, node: Node) -> None:
        self.nodes[node.id] = node

    def leave(self, node_id: str) -> None:
        self.nodes.pop(node_id, None)

    def seen_since(self, moment: datetime) -> list[Node]:
        return [node for node in self.nodes.values() if node.seen_at >= moment]

    def forget_before(self, moment: datetime) -> None:
        self.nodes = {name: node for name, node in self.nodes.items() if node.seen_at >= moment}

    def pins(self) -> list[str]:
        return self.pinned


class HeavyVoice(FakeVoice):
    """Says where it is; `stop` holds its stream before the second piece."""

    def __init__(self, model: str, at: str) -> None:
        super().__init__(model, lambda *_: f"I speak at {at} and say a little more", memory=10, slots=2)
        self.go = asyncio.Event()
        self.go.set()
        self.left = threading.Event()
        self.asked: list[Mapping[str, str]] = []

    @asynccontextmanager
    async def request(self, path, body, headers=None) -> AsyncIterator:
        self.asked.append(headers or {})
        try:
            async with super().request(path, body) as answer:
                yield _Held(answer, self)
        finally:
            self.left.set()


class _Held:
    def __init__(self, answer, voice: HeavyVoice) -> None:
        self.status, self.headers = answer.status, answer.headers
        self._answer, self._voice = answer, voice

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self._answer.chunks():
            yield chunk
            await self._voice.go.wait()


class House:
    """One node, served on a port of its own."""

    def __init__(self, name: str, book: Book, secret: bytes = b"s", **limits) -> None:
        self.name = name
        self.voices: list[HeavyVoice] = []
        self.pool = Pool(self.load, Limits(memory=40, least=0, **limits), weigh=lambda _: 10)
        passage = Passage(lambda: secret)
        app = Starlette(routes=passing_routes(self.pool, passage))
        self.server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            self.thread.join(0.01)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.here = Neighbours(self.pool, book, SystemClock(), passage, me=name, url=self.url)

    def load(self, model: str) -> HeavyVoice:
        if model == "unknown":
            raise NotFound("There is no such model.", next_step="Look.")
        self.voices.append(HeavyVoice(model, self.name))
        return self.voices[-1]

    def close(self) -> None:
        self.server.should_exit = self.server.force_exit = True
        self.thread.join(10)
        self.pool.close(0)


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def make(book) -> Iterator:
    with ExitStack() as stack:

        def make(name: str, **more) -> House:
            house = House(name, book, **more)
            stack.callback(house.close)
            return house

        yield make


@pytest.fixture
def pair(make) -> tuple[House, House]:
    a, b = make("a"), make("b")
    for each in (a, b, a):
        each.here.look_around()
    return a, b


async def said(neighbours: Neighbours, model: str = "m", path: str = CHAT, body: bytes = BODY) -> str:
    async with neighbours.alease(model, "key-1") as voice, voice.request(path, body) as answer:
        assert answer.status == 200
        return b"".join([chunk async for chunk in answer.chunks()]).decode()


def words(stream: str) -> str:
    events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
    return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])


def test_what_a_neighbour_has_loaded_it_says(pair):
    """Both nodes answer with the one voice there is; the model is loaded once."""
    a, b = pair
    b.pool.warm("m")
    b.here.look_around()
    a.here.look_around()
    for each in (a, b, a):
        assert "a little more" in words(asyncio.run(said(each.here)))
        assert "at b" in words(asyncio.run(said(each.here)))
    assert [len(a.voices), len(b.voices)] == [0, 1]


def test_a_model_that_is_cold_everywhere_is_loaded_once(pair):
    """Both nodes send the first call to the same one."""
    a, b = pair
    asyncio.run(said(a.here))
    asyncio.run(said(b.here))
    assert len(a.voices) + len(b.voices) == 1


def test_a_call_that_was_passed_on_is_not_passed_on_again(make, book):
    """Even where each takes the other for the one that has it, a call takes one step and ends."""
    a, b = make("a"), make("b")
    now = datetime.now(UTC)
    a.here._others = (Node("b", b.url, now, models={"m": "warm"}),)
    b.here._others = (Node("a", a.url, now, models={"m": "warm"}),)
    asyncio.run(said(a.here))
    assert [len(a.voices), len(b.voices)] == [0, 1]


def test_a_dead_node_is_passed_by(pair):
    """Nothing was sent yet, so the next one is asked; the dead one is left alone for a while."""
    a, b = pair
    b.pool.warm("m")
    b.here.look_around()
    a.here.look_around()
    b.close()
    assert "I" in asyncio.run(said(a.here))
    assert len(a.voices) == 1
    assert [place.id for place in asyncio.run(a.here.places("m"))] == ["a"]


def test_who_does_not_sign_in_any_more_is_forgotten(pair, book):
    """After a few missed signs of life a node is not asked at all."""
    a, b = pair
    book.nodes["b"] = Node("b", b.url, datetime.now(UTC) - timedelta(seconds=30), models={"m": "warm"})
    a.here.look_around()
    assert [place.id for place in asyncio.run(a.here.places("m"))] == ["a"]
    b.here.look_around()
    a.here.look_around()
    assert len(asyncio.run(a.here.places("m"))) == 2
    b.here.leave()
    a.here.look_around()
    assert len(asyncio.run(a.here.places("m"))) == 1


def test_a_node_that_drains_sends_its_callers_on(pair):
    """A pool that closes is passed by like one that is away."""
    a, b = pair
    b.pool.warm("m")
    b.here.look_around()
    a.here.look_around()
    b.pool.close(0)
    assert "I" in asyncio.run(said(a.here))
    assert len(a.voices) == 1


def test_a_caller_who_hangs_up_frees_the_slot_at_the_other_node(pair):
    """The connection between the nodes ends with the caller's, and so does the engine's work."""
    a, b = pair
    b.pool.warm("m")
    b.here.look_around()
    a.here.look_around()
    voice = b.voices[0]
    voice.go.clear()

    async def scene() -> None:
        async with a.here.alease("m", "k") as there, there.request(CHAT, BODY) as answer:
            async for _ in answer.chunks():
                break

    asyncio.run(scene())
    assert voice.left.wait(10)
    while b.pool.warmth("m").calls:
        threading.Event().wait(0.01)


def test_a_node_that_dies_in_mid_answer_is_one_clear_error(pair):
    """What was begun cannot be asked of another: the caller hears that it broke off."""
    a, b = pair
    b.pool.warm("m")
    b.here.look_around()
    a.here.look_around()
    b.voices[0].die_next()
    with pytest.raises(EngineDied, match="went away"):
        asyncio.run(said(a.here))


def test_errors_come_as_they_are(pair):
    """What the other node says went wrong is what the caller hears, with its kind and its next step."""
    a, b = pair
    there = (Node("b", b.url, datetime.now(UTC), models={"unknown": "warm", "full": "warm", "m": "warm"}),)
    a.here._others = there
    with pytest.raises(NotUnderstood, match="no path of speech"):
        asyncio.run(said(a.here, path="/slots"))
    b.pool._schedule.line._places = 0
    with pytest.raises(Busy, match="waiting here already"):
        asyncio.run(said(a.here, "full"))


def test_a_house_with_another_key_is_none_of_ours(make, pair):
    """Who does not know the secret is not served, and is passed by as if it were away."""
    a, _ = pair
    stranger = make("c", secret=b"another")
    a.here._others = (Node("c", stranger.url, datetime.now(UTC), models={"m": "warm"}),)
    assert "I" in asyncio.run(said(a.here))
    assert stranger.voices == []


def test_no_proof_no_voice(pair):
    """The door asks for a proof before anything else."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    a, _ = pair
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(f"{a.url}/nodes/voices/m{CHAT}", BODY, method="POST"))
    assert refused.value.code == 403
    assert refused.value.headers["x-emeritus-fault"] == "node.stranger"


def test_nobody_left_to_ask(pair):
    """When no node answers, and this one is not among those to ask, that is said."""
    from emeritus.voices.neighbours import _Elsewhere

    a, _ = pair
    gone = _Elsewhere(a.here, "m", "k", (Node("x", "http://127.0.0.1:9", datetime.now(UTC)),))

    async def scene() -> None:
        async with gone.request(CHAT, BODY):
            pass

    with pytest.raises(Unreachable, match="No node"):
        asyncio.run(scene())


def test_pins_are_kept_by_one_node_each(pair, book):
    """Each pinned model is loaded on exactly one of the nodes, and let go when it is unpinned."""
    a, b = pair
    book.pinned = ["p1", "p2", "p3"]
    for each in (a, b):
        each.here.look_around()

    def pinned() -> list[str]:
        seats = [*a.pool.status(), *b.pool.status()]
        return sorted(seat.model for seat in seats if seat.pinned and seat.state == "warm")

    for _ in range(1000):
        if pinned() == book.pinned:
            break
        threading.Event().wait(0.01)
    assert pinned() == book.pinned
    book.pinned = []
    for each in (a, b):
        each.here.look_around()
    assert pinned() == []


def test_a_closed_pool_here_is_told(pair):
    """The own pool's errors pass as they are."""
    a, _ = pair
    a.here._others = ()
    a.pool.close(0)
    with pytest.raises(VoiceClosed):
        asyncio.run(said(a.here))
