"""kill -9 in the middle of many calls: every answer that came was counted, exactly."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from datetime import date

import pytest
import sqlalchemy as sa

from emeritus.access import members
from emeritus.core.people import person
from emeritus.process.register import register
from emeritus.registry import Lineage, NewModel, Organisation, add_person
from emeritus.registry.model import Remote
from emeritus.settings import load_settings
from emeritus.store import tables
from emeritus.wiring import found_house, open_house

ADA = person("Ada Lovelace")
CALLERS = 12
BODY = {"model": "opus", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 6}


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request, tmp_path):
    more = {} if request.param == "sqlite" else {"database_url": request.getfixturevalue("postgres_database")}
    return load_settings(tmp_path / "house", **more)


@pytest.fixture
def key(settings, engine):
    found_house(settings, Organisation("Test Lab", 60, demo=False))
    with open_house(settings) as house, house.works.write() as work:
        add_person(work.log, ADA, ["steward"], ADA)
        new = NewModel("opus", "Opus", Lineage("x"), "MIT", date(2024, 3, 1), remote=Remote("openai", "opus"))
        register(work, new, path=None, url=engine.url, key_env="", by=ADA)
        who = members.join(work.log, work.private, house.clock, name="Mo", plan="pro", by=ADA)
        return members.issue_key(work.log, work.keys, house.clock, who.id).text


class Callers:
    """Many who call one after the other, until nobody answers; `heard` is what each whole answer said it took."""

    def __init__(self, port: int, key: str) -> None:
        self.heard: dict[str, tuple[int, int]] = {}
        self.enough = threading.Event()
        self._threads = [
            threading.Thread(target=self._call, args=(port, key, number % 3 == 0))
            for number in range(CALLERS)
        ]
        for thread in self._threads:
            thread.start()

    def _call(self, port: int, key: str, stream: bool) -> None:
        body = json.dumps({**BODY, "stream": stream, "stream_options": {"include_usage": True}})
        if not stream:
            body = json.dumps(BODY)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            while True:
                connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {key}"})
                answer = connection.getresponse()
                said = answer.read().decode()
                assert answer.status == 200, said
                if stream and "[DONE]" not in said:
                    return
                usage = re.findall(r'"prompt_tokens": (\d+), "completion_tokens": (\d+)', said)[-1]
                self.heard[answer.headers["request-id"]] = (int(usage[0]), int(usage[1]))
                if len(self.heard) >= 150:
                    self.enough.set()
        except (OSError, http.client.HTTPException):
            return

    def end(self) -> None:
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()


def test_every_answer_that_came_was_counted(settings, key):
    """After the kill each whole answer stands with its tokens; no more calls lack them than were in flight."""
    env = {**os.environ, "EMERITUS_DATABASE_URL": settings.database}
    command = [sys.executable, "-m", "emeritus", "--home", settings.home, "serve", "--no-work", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, text=True)
    try:
        assert server.stdout is not None
        port = int(re.search(r":(\d+) ", server.stdout.readline())[1])
        callers = Callers(port, key)
        assert callers.enough.wait(60)
        os.kill(server.pid, signal.SIGKILL)
        callers.end()
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
    table = tables.usage
    with open_house(settings) as house, house.database.connect() as connection:
        rows = {row.request: row for row in connection.execute(sa.select(table))}
    assert len(callers.heard) >= 150
    for request, took in callers.heard.items():
        assert (rows[request].status, rows[request].tokens_in, rows[request].tokens_out) == (200, *took)
    assert len([row for row in rows.values() if row.status is None]) <= CALLERS
    assert len(rows) - len(callers.heard) <= CALLERS
