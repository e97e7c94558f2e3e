"""What a cluster's engine has to hold for us: KServe with vLLM, Ray Serve; each by the routes that it documents."""

import asyncio
import json
import threading
from collections.abc import Iterator

import pytest
from aiohttp import web

from emeritus.core.errors import InvalidInput
from emeritus.core.speech import Message, Sampling
from emeritus.voices import EngineNotStarted, KeyRefused, Pool, VoiceSpec, adapter
from emeritus.voices.fakes import drawn, shapes

HELLO = (Message("user", "Hello"),)
BRIEF = Sampling(seed=1, max_tokens=8)


class Cluster:
    """A route that starts from nothing: refused, not there, without the model, and then with it.

    KServe's runtimes answer below ``/openai/v1``, Ray Serve and vLLM below ``/v1``; while a model wakes up,
    the gateway before it answers 503 (no replica) or 404 (no route), and the list lacks the model.
    """

    def __init__(self, prefix: str, waking: list[int | list[str]]) -> None:
        self.prefix = prefix
        self.waking = waking
        self.asked: list[str] = []
        self.url = ""
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)

    async def _open(self) -> None:
        app = web.Application()
        app.router.add_get(f"{self.prefix}/v1/models", self._models)
        app.router.add_post(f"{self.prefix}/v1/chat/completions", self._speak)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}{self.prefix}"

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _models(self, request: web.Request) -> web.Response:
        self.asked.append("models")
        if request.headers.get("authorization") != "Bearer cluster-key":
            return web.json_response({"error": {"message": "no"}}, status=401)
        now = self.waking.pop(0) if len(self.waking) > 1 else self.waking[0]
        if isinstance(now, int):
            return web.Response(status=now, text="no healthy upstream")
        return web.json_response(
            {"object": "list", "data": [{"id": name, "object": "model"} for name in now]}
        )

    async def _speak(self, request: web.Request) -> web.Response:
        self.asked.append("speak")
        body = await request.read()
        assert json.loads(body)["model"] == "retired/big"
        shaped = shapes.answer("/v1/chat/completions", body, drawn)
        return web.Response(body=b"".join(shaped.chunks), content_type="application/json")


@pytest.fixture(params=["/openai", "", "/serve/llm"], ids=["kserve", "vllm", "ray"])
def prefix(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CLUSTER_KEY", "cluster-key")
    monkeypatch.setattr("emeritus.voices.cluster._EVERY", 0.01)
    return request.param


@pytest.fixture
def clusters() -> Iterator[list[Cluster]]:
    made: list[Cluster] = []
    yield made
    for cluster in made:
        cluster.close()


def voice(cluster: Cluster, **more: object):
    options = {"base_url": f"{cluster.url}/v1", "model": "retired/big", "key_env": "CLUSTER_KEY", **more}
    return adapter("cluster")(VoiceSpec("big", options=options))


def test_it_waits_until_the_route_lists_the_model(prefix, clusters):
    """A model at zero is awaited through every stage of waking; then it speaks, and is not asked again."""
    clusters.append(Cluster(prefix, [503, 404, [], ["another"], ["another", "retired/big"]]))
    with Pool(lambda _model: voice(clusters[0])) as pool:
        for _ in range(2):
            said = pool.speaker("big").speak(HELLO, BRIEF)
            assert said.model == "big"
            assert said.weights == "", "nobody here saw which weights spoke"
    assert clusters[0].asked == ["models"] * 5 + ["speak"] * 2


def test_what_never_comes_is_told(prefix, clusters):
    """After its time the caller hears what was seen last."""
    clusters.append(Cluster(prefix, [["another"]]))
    with pytest.raises(EngineNotStarted, match="it lists another"):
        voice(clusters[0], ready_seconds=0.05).start()
    clusters.append(Cluster(prefix, [503]))
    with pytest.raises(EngineNotStarted, match="HTTP 503"):
        voice(clusters[1], ready_seconds=0.05).start()


def test_a_refused_key_is_not_waited_for(prefix, clusters, monkeypatch):
    """Waiting would change nothing."""
    monkeypatch.setenv("CLUSTER_KEY", "wrong")
    clusters.append(Cluster(prefix, [["retired/big"]]))
    with pytest.raises(KeyRefused):
        voice(clusters[0], ready_seconds=60).start()


def test_callers_are_relayed(prefix, clusters):
    """The gateway's relay renames the model and passes the bytes on."""
    clusters.append(Cluster(prefix, [["retired/big"]]))

    async def scene() -> bytes:
        body = json.dumps({"model": "big", "messages": [{"role": "user", "content": "Hi"}]}).encode()
        async with voice(clusters[0]).request("/v1/chat/completions", body) as answer:
            return b"".join([chunk async for chunk in answer.chunks()])

    assert json.loads(asyncio.run(scene()))["choices"][0]["message"]["content"]


def test_http_within_a_cluster_takes_the_operators_word():
    """Beyond the loopback, http is refused unless it is said that the network is one's own."""
    inside = {"base_url": "http://big-predictor.models.svc.cluster.local/openai", "model": "big"}
    with pytest.raises(InvalidInput, match="in the clear"):
        adapter("cluster")(VoiceSpec("big", options=inside))
    adapter("cluster")(VoiceSpec("big", options={**inside, "plain_http": True}))
    with pytest.raises(InvalidInput):
        adapter("openai")(VoiceSpec("big", options={**inside, "plain_http": True}))
