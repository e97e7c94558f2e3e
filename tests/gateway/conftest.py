"""The gateway on a real port, before a fake engine on another, around a small house in memory."""

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Self

import pytest
import uvicorn
from anthropic import Anthropic, AsyncAnthropic
from openai import AsyncOpenAI, OpenAI
from starlette.applications import Starlette

from emeritus.access import applications, grants, members
from emeritus.access.fakes import MemoryKeys, MemoryUsage
from emeritus.access.policy import set_policy
from emeritus.core.clock import SettableClock
from emeritus.core.people import SOFTWARE, person
from emeritus.ledger.aftercare import decide_aftercare
from emeritus.process.fake_deliveries import MemoryDeliveries
from emeritus.process.fake_post import MemoryPost
from emeritus.record import MemoryLog, SigningKey
from emeritus.record.private import MemoryPrivate
from emeritus.registry import (
    Lineage,
    NewModel,
    Organisation,
    add_model,
    add_person,
    found,
    open_retirement,
    retire,
)
from emeritus.registry.alias import point_alias
from emeritus.registry.model import Remote
from emeritus.voices.fakes import FakeEngine
from emeritus.voices.pool import Pool
from emeritus.voices.remote import OpenAIVoice
from emeritus.voices.voice import ANTHROPIC_PATHS, OPENAI_PATHS
from emeritus.web.gateway import Parts, create_gateway

ADA = person("Ada Lovelace")
SITE = "https://lab.example"


class EngineVoice(OpenAIVoice):
    """A voice over HTTP that speaks both APIs, as the local engine does."""

    paths = OPENAI_PATHS | ANTHROPIC_PATHS


class House:
    """Everything the gateway is built from; one unit of work at a time, undone when it fails."""

    ada = ADA

    def __init__(self) -> None:
        self.clock = SettableClock(datetime(2026, 1, 1, 12, tzinfo=UTC))
        self.log = MemoryLog(self.clock, SigningKey.generate("lab.example/record"))
        self.private = MemoryPrivate()
        self.keys = MemoryKeys()
        self.usage = MemoryUsage()
        self.post = MemoryPost(self.clock)
        self.deliveries = MemoryDeliveries(self.clock)
        self.texts: list[str] = []
        self._lock = threading.RLock()
        found(self.log, Organisation("Test Lab", 60, demo=False), "key")
        add_person(self.log, ADA, ["steward"], SOFTWARE)

    @contextmanager
    def work(self) -> Iterator["House"]:
        with self._lock:
            size, calls = self.log.size(), dict(self.usage._calls)
            try:
                yield self
            except BaseException:
                self.log.forget_after(size)
                self.usage._calls = calls
                raise

    def model(self, name: str, state: str = "active", replacement: str | None = None) -> None:
        remote = Remote("openai", name)
        new = NewModel(name, name.title(), Lineage("family"), "Apache-2.0", date(2024, 3, 1), remote=remote)
        add_model(self.log, new, ADA)
        if state != "active":
            self.retiring(name, replacement)
        if state == "retired":
            self.retired(name)

    def retiring(self, name: str, replacement: str | None = None) -> None:
        on = self.clock.now().date() + timedelta(days=61)
        why = "A newer model serves its users."
        open_retirement(self.log, self.clock, name, on=on, replacement=replacement, why=why, by=ADA)

    def retired(self, name: str) -> None:
        self.clock.advance(timedelta(days=61))
        retire(self.log, self.clock, name)

    def tier(self, model: str, tier: str, reason: str = "Its users asked for it.") -> None:
        when = date(2027, 1, 1)
        decided = decide_aftercare(
            self.log, model, tier=tier, reason=reason, review_on=when, column=None, by=ADA, revise=True
        )
        set_policy(
            self.log,
            model,
            tier=tier,
            reason=reason,
            review_on=when,
            decision_entry=decided.entry,
            by=SOFTWARE,
        )

    def alias(self, name: str, model: str, days: int = 0) -> None:
        on = self.clock.now().date() + timedelta(days=days)
        point_alias(self.log, self.clock, name, model=model, why="It is newer.", by=ADA, on=on)

    def member(self) -> str:
        who = members.join(self.log, self.private, self.clock, name="Mo", plan="pro", by=SOFTWARE)
        return self._key(members.issue_key(self.log, self.keys, self.clock, who.id))

    def grant(self, *models: str, **more) -> str:
        received = applications.apply(
            self.log, self.private, self.clock, models=models, who="R", contact="r@x.example", purpose="Study"
        )
        decided = grants.decide_application(
            self.log, self.clock, received.application.id, grant=True, reason="Welcome.", by=ADA, **more
        )
        return self._key(grants.issue_key(self.log, self.keys, self.clock, decided.grant))

    def _key(self, issued) -> str:
        self.texts.append(issued.text)
        return issued.text


class Answer:
    """An HTTP answer, read whole."""

    def __init__(self, status, headers, body) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Served:
    """An application served by uvicorn in a thread."""

    def __init__(self, app: Starlette, **more) -> None:
        self.app = app
        config = uvicorn.Config(app, port=0, log_level="debug", timeout_graceful_shutdown=5, **more)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            self._thread.join(0.01)
        host, port = self._server.servers[0].sockets[0].getsockname()[:2]
        self.url = f"http://{host}:{port}"
        return self

    def __exit__(self, *_) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()


class Server(Served):
    """The gateway alone, and clients for it."""

    def __init__(self, parts: Parts, pool: Pool, **more) -> None:
        @asynccontextmanager
        async def lifespan(_app):
            yield
            await asyncio.to_thread(pool.close, 5)

        super().__init__(Starlette(routes=create_gateway(parts), lifespan=lifespan), **more)

    def openai(self, key: str = "none", **more) -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, **more)

    def anthropic(self, key: str = "none", **more) -> Anthropic:
        return Anthropic(base_url=self.url, api_key=key, max_retries=0, **more)

    def async_openai(self, key: str) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0)

    def async_anthropic(self, key: str) -> AsyncAnthropic:
        return AsyncAnthropic(base_url=self.url, api_key=key, max_retries=0)

    def http(self, path: str, value=None, *, method: str | None = None, data=None, **headers) -> Answer:
        body = data if data is not None else None if value is None else json.dumps(value).encode()
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        request = urllib.request.Request(
            self.url + path, body, {"content-type": "application/json", **named}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())


@pytest.fixture
def house():
    house = House()
    house.model("haiku")
    house.model("opus", "retired", replacement="haiku")
    house.tier("opus", "members")
    return house


@pytest.fixture
def engine():
    with FakeEngine() as engine:
        yield engine


@pytest.fixture
def pool(engine, house):
    voices = []

    def load(model: str) -> EngineVoice:
        voices.append(EngineVoice(engine.url, "engine-name", known_as=model))
        return voices[-1]

    with Pool(load, clock=house.clock) as pool:
        pool.loaded = voices
        yield pool


@pytest.fixture
def server(house, pool):
    parts = Parts(work=house.work, pool=pool, clock=house.clock, site_url=SITE)
    with Server(parts, pool) as server:
        yield server


@pytest.fixture
def server_of():
    """Make a server of parts and a pool, to be entered."""
    return Server


@pytest.fixture
def serve_app():
    """Serve any application; to be entered, its address is its ``url``."""
    return Served


@pytest.fixture
def run():
    """Run a coroutine."""
    return asyncio.run
