"""A house with preserved models, its Hub on a real port, and the official client for it."""

import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Self

import pytest
import uvicorn
from starlette.applications import Starlette

from emeritus import archive
from emeritus.access import applications, downloads, grants, members
from emeritus.access.fakes import MemoryKeys, MemoryUsage
from emeritus.archive import MemoryBlobs
from emeritus.archive.fakes import FakeTensor, safetensors_bytes
from emeritus.archive.shelf import Shelf
from emeritus.core.clock import SettableClock
from emeritus.core.people import SOFTWARE, person
from emeritus.process.fakes import MemoryFailures
from emeritus.record import Act, MemoryLog, SigningKey
from emeritus.record.private import MemoryPrivate
from emeritus.registry import Lineage, NewModel, Organisation, Weights, add_model, add_person, found
from emeritus.registry.model import Remote
from emeritus.web.hub import Parts, create_hub

# The client reads these once, when it is imported: nothing of it leaves this machine, nothing stays on it.
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_UPDATE_CHECK"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["HF_TOKEN_PATH"] = os.devnull
os.environ.pop("HF_TOKEN", None)

ADA = person("Ada Lovelace")
SITE = "https://lab.example"


class House:
    """Everything the Hub is built from; one unit of work at a time, undone when it fails."""

    ada = ADA
    site = SITE

    def __init__(self) -> None:
        self.clock = SettableClock(datetime(2026, 1, 1, 12, tzinfo=UTC))
        self.key = SigningKey.generate("lab.example/record")
        self.log = MemoryLog(self.clock, self.key)
        self.private = MemoryPrivate()
        self.keys = MemoryKeys()
        self.usage = MemoryUsage()
        self.failures = MemoryFailures()
        self.blobs = MemoryBlobs()
        self._lock = threading.RLock()
        found(self.log, Organisation("Test Lab", 60, demo=False), "key")
        add_person(self.log, ADA, ["steward"], SOFTWARE)

    @contextmanager
    def work(self) -> Iterator["House"]:
        with self._lock:
            size = self.log.size()
            try:
                yield self
            except BaseException:
                self.log.forget_after(size)
                raise

    def verify(self, message: bytes, signature: bytes) -> bool:
        return self.key.verify_key.verifies(signature, message)

    def parts(self, **more) -> Parts:
        return Parts(
            work=self.work,
            read=self.work,
            blobs=self.blobs,
            verify=self.verify,
            clock=self.clock,
            site_url=SITE,
            **more,
        )

    def add(self, name: str, files: tuple[str, ...] = ("model.safetensors",), size: int = 1, **more) -> None:
        weights = None if "remote" in more else Weights("safetensors", files, size, {})
        new = NewModel(
            name,
            more.pop("display_name", name.title()),
            Lineage("family"),
            "Apache-2.0",
            date(2024, 3, 1),
            weights=weights,
            **more,
        )
        add_model(self.log, new, ADA)

    def add_remote(self, name: str) -> None:
        self.add(name, remote=Remote("openai", name))

    def preserve(self, name: str, folder: Path, **more):
        """Archive a folder as a new model; return its manifest."""
        source = archive.inspect(folder)
        self.add(name, tuple(file.name for file in source.files), source.size, **more)
        stored = archive.ingest(source, name, self.blobs, sign=self.key.sign)
        body = {"manifest": stored.digest, "files": [], "bytes": stored.bytes_in, "stored_bytes": 1}
        self.log.append(Act("weights.archived", body, SOFTWARE, name, name, f"weights.archived:{name}"))
        return stored.manifest

    def downloads(self, model: str, tier: str, reason: str = "Its makers wished it.") -> None:
        downloads.decide_downloads(self.log, model, tier=tier, reason=reason, by=ADA)

    def member(self) -> str:
        who = members.join(self.log, self.private, self.clock, name="Mo", plan="pro", by=SOFTWARE)
        self.member_id = who.id
        return members.issue_key(self.log, self.keys, self.clock, who.id).text

    def lapsed(self) -> str:
        key = self.member()
        members.lapse(self.log, self.member_id, SOFTWARE)
        return key

    def grant(self, *models: str, weights: bool = True, **more) -> str:
        received = applications.apply(
            self.log,
            self.private,
            self.clock,
            models=models,
            who="R",
            contact="r@x.example",
            purpose="Study",
            weights=weights,
        )
        decided = grants.decide_application(
            self.log,
            self.clock,
            received.application.id,
            grant=True,
            reason="Welcome.",
            by=ADA,
            weights=weights,
            **more,
        )
        self.granted = decided.grant
        return grants.issue_key(self.log, self.keys, self.clock, decided.grant).text

    def revoke(self) -> None:
        """End the grant that was given last."""
        grants.revoke_grant(self.log, self.granted, reason="It was handed on.", by=ADA)

    def expired(self, *models: str) -> str:
        key = self.grant(*models, days=1)
        self.clock.advance(timedelta(days=2))
        return key


class Answer:
    """An HTTP answer, read whole."""

    def __init__(self, status, headers, body) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Server:
    """A uvicorn server in a thread, and the ways to ask it."""

    def __init__(self, parts: Parts) -> None:
        self.app = Starlette(routes=create_hub(parts))
        config = uvicorn.Config(self.app, port=0, log_level="critical", timeout_graceful_shutdown=5)
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

    def http(self, path: str, *, method: str = "GET", data=None, key=None, **headers) -> Answer:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        if key:
            named["authorization"] = f"Bearer {key}"
        request = urllib.request.Request(self.url + path, data, named, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def api(self, key: str | None = None):
        from huggingface_hub import HfApi

        return HfApi(endpoint=self.url, token=key or False)


@pytest.fixture
def folder(tmp_path):
    """A small model as it was published: weights in two shards, configuration, tokenizer, an empty file."""
    return make_folder(tmp_path / "published")


def make_folder(folder: Path) -> Path:
    folder.mkdir()
    one, two = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    first = [
        FakeTensor("a", "F32", (700, 1000), bytes(range(250)) * 11200),
        FakeTensor("n", "F32", (0, 3), b""),
    ]
    second = [FakeTensor("b", "BF16", (400, 1000), b"\x80\x3f\x01\x40" * 200_000)]
    (folder / one).write_bytes(safetensors_bytes(first, {"format": "pt"}))
    (folder / two).write_bytes(safetensors_bytes(second))
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": {"a": one, "n": one, "b": two}})
    )
    (folder / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    (folder / "README.md").write_text("# Opus\n\nA model.\n")
    (folder / "empty.txt").write_bytes(b"")
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "merges.txt").write_text("a b\n" * 1000)
    (folder / "tokenizer" / "größe 1.txt").write_text("ä")
    return folder


@pytest.fixture
def house(folder):
    house = House()
    house.manifest = house.preserve("opus", folder)
    house.downloads("opus", "public")
    return house


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "shelf", 1 << 30)


@pytest.fixture
def server_of():
    """Make a server of parts, to be entered."""
    return Server


@pytest.fixture
def server(house, shelf):
    with Server(house.parts(shelf=shelf)) as server:
        yield server
