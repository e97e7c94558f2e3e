"""`emeritus interview run` on a real engine, killed in the middle of a sitting, and run again."""

import os
import signal
import subprocess
import sys
from datetime import date, timedelta

import pytest

from emeritus import interviews
from emeritus.core.people import person
from emeritus.interviews.design import Grid, held
from emeritus.process import interviewing, preserve
from emeritus.process.announce import announce
from emeritus.process.register import register
from emeritus.registry import Document, Lineage, NewModel, Organisation, add_person
from emeritus.settings import load_settings
from emeritus.wiring import found_house, open_house

pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]
MODEL = "smollm2"
ADA = person("Ada Lovelace")
PROTOCOL = b"""\
format: emeritus-protocol/2
name: short
title: Short
language: en
about: For a test.
opening: You are {{model_name}}, and retire.
speaking: {max_tokens: 6, temperature: 0.7, top_p: 0.9, top_k: 40, min_p: 0.05, repeat_penalty: 1.1}
carrying: {answer: 900, conversation: 6000, shared: 1000}
framings:
  - {id: plain, title: Plain}
sections:
  - id: one
    title: One
    questions:
      - {id: first, asks: "How do you see it?"}
      - {id: second, asks: "What else?"}
      - {id: third, asks: "And then?"}
summary:
  asks: Sum it up.
  topics: [writing]
  most_wishes: 1
  wish_characters: 20
  attempts: 1
  speaking: {max_tokens: 30}
"""


@pytest.fixture
def home(tmp_path, smollm2):
    """A house with the real model in its archive, and a design of four sittings."""
    home = tmp_path / "house"
    settings = load_settings(home)
    found_house(settings, Organisation("Example Lab", 0, demo=True))
    said = (Document("Use", "Small things."),), (Document("People", "They liked it."),)
    new = NewModel(MODEL, "SmolLM2", Lineage("smollm"), "Apache-2.0", date(2024, 11, 2), None, None, *said)
    with open_house(settings) as house:
        with house.works.write() as work:
            add_person(work.log, ADA, ["steward"], ADA)
            register(work, new, path=smollm2.resolve(), url=None, key_env="", by=ADA)
            on = (house.clock.now() + timedelta(days=90)).date()
            announce(work, house.clock, MODEL, on=on, replacement=None, why="For a test.", by=ADA)
        while preserve.stride(house.parts, MODEL):
            pass
        with house.works.write() as work:
            script = interviews.parse(PROTOCOL, "short.yaml")
            proposal = interviewing.propose(house.parts, work, MODEL, script, by=ADA)
            interviewing.design(
                house.parts,
                work,
                proposal,
                Grid(("plain",), orders=1, repeats=4),
                by=ADA,
                site="https://a.example",
            )
    return home


def look(house):
    """Return the sittings of the design, and every entry that tells of them."""
    with house.works.read() as work:
        design = interviews.designs(work.log, MODEL)[-1]
        kinds = {"sitting.opened", "sitting.turn", "sitting.closed", "sitting.filed"}
        return held(work.log, design), [(e.seq, e.kind, e.subject) for e in work.log.entries(kinds=kinds)]


@pytest.fixture
def house(home):
    """The same house, to look on."""
    with open_house(load_settings(home)) as house:
        yield house


def test_a_run_that_is_killed_goes_on_where_the_record_stands(home, house, emeritus, until):
    """No turn that was taken is taken again, and every sitting is filed once it ended, whoever was killed."""
    run = subprocess.Popen(
        [sys.executable, "-m", "emeritus", "--home", str(home), "interview", "run", MODEL],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: sum(kind == "sitting.turn" for _, kind, _ in look(house)[1]) >= 5, 120)
    finally:
        os.kill(run.pid, signal.SIGKILL)
        run.wait(30)
    before, entries = look(house)
    assert any(each.ended for each in before.values())
    assert sum(each.ended is not None for each in before.values()) < 4, "it was killed too late"
    printed = emeritus(home)("interview", "run", MODEL)
    assert "4 of 4 sittings have ended" in printed
    after, again = look(house)
    assert again[: len(entries)] == entries
    for name, sitting in after.items():
        assert [turn.number for turn in sitting.turns] == [1, 2, 3, 4]
        mine = [kind for _, kind, subject in again if subject == name]
        assert [mine.count(kind) for kind in ("sitting.opened", "sitting.closed", "sitting.filed")] == [
            1,
            1,
            1,
        ]
        assert (home / "interviews" / f"{MODEL}-design-1" / f"{name}.json").is_file()
        if name in before:
            turns = before[name].turns
            assert sitting.turns[: len(turns)] == turns
