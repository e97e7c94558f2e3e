"""Two gateways, each a process of its own: what is revoked on one machine is out on every one within a second."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from datetime import date, timedelta

import pytest

from emeritus.access import applications, grants, keys, members
from emeritus.core.people import person
from emeritus.process.register import register
from emeritus.registry import Lineage, NewModel, Organisation, add_person
from emeritus.registry.model import Remote
from emeritus.settings import load_settings
from emeritus.wiring import found_house, open_house

ADA = person("Ada Lovelace")
BODY = json.dumps(
    {"model": "opus", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 6}
).encode()


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request, tmp_path):
    more = {} if request.param == "sqlite" else {"database_url": request.getfixturevalue("postgres_database")}
    settings = load_settings(tmp_path / "house", **more)
    found_house(settings, Organisation("Test Lab", 60, demo=False))
    return settings


@contextmanager
def node(settings):
    """Serve the house in a process of its own; yield its address."""
    env = {**os.environ, "EMERITUS_DATABASE_URL": settings.database}
    command = [sys.executable, "-m", "emeritus", "--home", settings.home, "serve", "--no-work", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, text=True)
    try:
        yield re.search(r"http://[\d.]+:\d+", server.stdout.readline())[0]
    finally:
        server.terminate()
        server.wait(30)
        server.stdout.close()


def call(url, key):
    request = urllib.request.Request(f"{url}/v1/chat/completions", BODY, {"authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return json.load(error)["error"]["code"]


def test_what_is_revoked_is_out_on_every_node(settings, engine):
    """A key, a grant and a membership, each ended from a third process: no call that begins a second later passes."""
    with open_house(settings) as house, node(settings) as one, node(settings) as two:
        with house.works.write() as work:
            add_person(work.log, ADA, ["steward"], ADA)
            new = NewModel(
                "opus", "Opus", Lineage("x"), "MIT", date(2024, 3, 1), remote=Remote("openai", "opus")
            )
            register(work, new, path=None, url=engine.url, key_env="", by=ADA)
            who = members.join(work.log, work.private, house.clock, name="Mo", plan="pro", by=ADA)
            first, second = (members.issue_key(work.log, work.keys, house.clock, who.id) for _ in range(2))
            asked = applications.apply(
                work.log,
                work.private,
                house.clock,
                models=["opus"],
                who="R",
                contact="r@x.example",
                purpose="x",
            ).application
            granted = grants.decide_application(
                work.log, house.clock, asked.id, grant=True, reason="Yes.", by=ADA
            ).grant
            third = grants.issue_key(work.log, work.keys, house.clock, granted)

        def said(key):
            return [call(url, key.text) for url in (one, two)]

        assert [said(key) for key in (first, second, third)] == [[200, 200]] * 3
        for key, end, code in (
            (first, lambda work: work.keys.revoke(first.record.id, house.clock.now()), "key_ended"),
            (
                third,
                lambda work: grants.revoke_grant(work.log, granted, reason="Sold.", by=ADA),
                "grant_ended",
            ),
            (second, lambda work: members.lapse(work.log, who.id, ADA), "membership_lapsed"),
        ):
            with house.works.write() as work:
                end(work)
            time.sleep(1)  # the promise is a second, whatever this machine is busy with
            assert said(key) == [code, code]
        with house.works.write() as work:
            members.join(work.log, work.private, house.clock, name="Mo", plan="pro", by=ADA, member=who.id)
            fresh = keys.rotate(work.keys, house.clock, second.record.id, overlap=timedelta(hours=1))
        time.sleep(1)
        assert [said(key) for key in (second, fresh)] == [[200, 200]] * 2
