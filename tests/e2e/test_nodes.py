"""Two real gateways on one PostgreSQL, with real engines: one model, loaded once; drained, killed, passed by."""

import json
import re
import signal
import threading
import urllib.error
import urllib.request
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from emeritus.store.database import open_database
from emeritus.store.nodes import SqlNodes
from emeritus.voices.engine_process import free_port
from emeritus.voices.nodes import Node

pytestmark = [pytest.mark.timeout(300)]
MODEL = "smollm2"


class Caller:
    """Streams from a gateway in a thread; keeps what came."""

    def __init__(self, url: str, key: str, tokens: int) -> None:
        body = {
            "model": MODEL,
            "messages": [{"role": "user", "content": "Tell a long story."}],
            "max_tokens": tokens,
            "stream": True,
        }
        self._request = urllib.request.Request(
            f"{url}/v1/chat/completions",
            json.dumps(body).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {key}"},
        )
        self.lines: list[str] = []
        self.status = 0
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            with urllib.request.urlopen(self._request, timeout=120) as answer:
                self.status = answer.status
                for line in answer:
                    self.lines.append(line.decode().strip())
        except urllib.error.HTTPError as refused:
            self.status = refused.code
            self.lines.append(refused.read().decode())

    @property
    def spoke(self) -> int:
        return sum('"content"' in line for line in self.lines)

    def end(self) -> str:
        self.thread.join(120)
        return "\n".join(self.lines)


@pytest.fixture
def house(tmp_path: Path, postgres_database: str, emeritus, smollm2: Path):
    """A house on PostgreSQL with one model in service and one member; returns what runs it, and a key."""
    run = emeritus(tmp_path / "house")
    database = postgres_database.replace("postgresql+psycopg", "postgresql")
    run("init", "--name", "Example Lab", database_url=database)
    ada = {"as": "Ada Lovelace", "database_url": database}
    run("person", "add", "Ada Lovelace", "--role", "steward", **ada)
    about = ["--name", "Small", "--licence", "Apache-2.0", "--released", "2024-11-01"]
    run("model", "add", MODEL, *about, "--weights", str(smollm2), **ada)
    printed = run("access", "join", "Mo", "--plan", "pro", **ada)
    return run, database, re.search(r"emr_\S+|em\w*_\S+", printed)[0]


def standing(database: str) -> list[Node]:
    """The nodes that signed in within the last seconds."""
    engine = open_database(database)
    try:
        return SqlNodes(engine).seen_since(datetime.now(UTC) - timedelta(seconds=10))
    finally:
        engine.dispose()


def wait_for_signs(database: str, until) -> None:
    """Wait until every node that stands has given another sign of life."""
    now = datetime.now(UTC)
    until(lambda: all(node.seen_at > now for node in standing(database)))


def test_two_gateways_share_one_engine(house, until):
    """A call at either is answered by the one engine; a node that drains ends its streams whole and is passed by
    at once; one that is killed is passed by too."""
    run, database, key = house
    with ExitStack() as stack:
        nodes = []
        for name in ("north", "south"):
            port = free_port()
            nodes.append(
                stack.enter_context(
                    run.serve(
                        *("--no-work", "--port", str(port)),
                        database_url=database,
                        node_url=f"http://127.0.0.1:{port}",
                        node_name=name,
                        engine_context="1024",
                        drain_seconds="60",
                    )
                )
            )

        until(lambda: len(standing(database)) == 2)
        wait_for_signs(database, until)  # a node hears of one that came after it when it signs in again
        answers = [Caller(node.url, key, 8).end() for node in (*nodes, *nodes)]
        assert all("[DONE]" in answer for answer in answers), answers
        wait_for_signs(database, until)  # what a node has loaded is known when it signs in again
        told = json.loads(run("voices", "status", "--json", database_url=database))
        having = [node["id"] for node in told["nodes"] if MODEL in node["models"]]
        assert len(having) == 1, "loaded once for both"
        holder = nodes[0] if having[0].startswith("north") else nodes[1]
        other = nodes[1] if holder is nodes[0] else nodes[0]

        # SIGTERM with a running stream, which came through the other node: it is spoken to its end
        running = Caller(other.url, key, 150)
        until(lambda: running.spoke >= 3)
        holder.process.send_signal(signal.SIGTERM)
        late = Caller(other.url, key, 8).end()
        assert "[DONE]" in late, late
        told = running.end()
        assert "[DONE]" in told, told[-500:]
        assert holder.process.wait(60) == 0
        until(lambda: [MODEL in node.models for node in standing(database)] == [True])


def test_a_node_that_is_killed_is_passed_by(house, until):
    """kill -9 in mid-answer: one clear error for whoever was being answered, and the next call works."""
    run, database, key = house
    with ExitStack() as stack:
        nodes = []
        for name in ("north", "south"):
            port = free_port()
            settings = {"database_url": database, "node_url": f"http://127.0.0.1:{port}", "node_name": name}
            words = ("--no-work", "--port", str(port))
            nodes.append(stack.enter_context(run.serve(*words, engine_context="1024", **settings)))
        run("voices", "pin", MODEL, database_url=database)

        def holders() -> list[str]:
            return [node.id for node in standing(database) if node.models.get(MODEL) == "warm"]

        until(lambda: len(holders()) == 1)
        holder = nodes[0] if holders()[0].startswith("north") else nodes[1]
        other = nodes[1] if holder is nodes[0] else nodes[0]
        running = Caller(other.url, key, 300)
        until(lambda: running.spoke >= 3)
        holder.process.kill()
        told = running.end()
        assert "voice.engine_died" in told, told[-500:]
        assert "[DONE]" not in told
        again = Caller(other.url, key, 8).end()
        assert "[DONE]" in again, again
