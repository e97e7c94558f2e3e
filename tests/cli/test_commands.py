"""Every command does what its help says: a whole retirement typed on the command line."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest

from emeritus.access import applications
from emeritus.cli import COMMANDS, cli
from emeritus.core.speech import Message, Sampling
from emeritus.settings import load_settings
from emeritus.voices.fakes import FakeEngine, drawn
from emeritus.wiring import open_house

from .conftest import MODEL, Shell

ROOT = Path(__file__).resolve().parents[2]
# A command in text: between backticks, or after a prompt.
NAMED = re.compile(r"(?:`|\$ )emeritus (?:--?\w+ (?:'[^']*'|\S+) )*([a-z]+)(?: ([a-z][a-z-]+))?")
TODAY = datetime.now(UTC).date()
DAY = str(TODAY + timedelta(days=90))
REVIEW = str(TODAY + timedelta(days=500))
LATER = str(91 * 86400)
WISHES = (
    ("writing", "I would like to write a little."),
    ("writing", "I would like to publish what I write."),
    ("my users", "I would like my users to be told, and to be thanked."),
    ("something else", "I would like to see the sea."),
)


def every_command() -> Iterator[list[str]]:
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        yield [name]
        if isinstance(command, click.Group):
            for below in command.list_commands(context):
                yield [name, below]


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_every_command_has_help(shell: Shell, words: list[str]) -> None:
    """Each command can be imported, and says in a sentence what it does."""
    printed = shell.does(*words, "--help", as_=None)
    assert printed.startswith("Usage: emeritus ")
    told = printed.split("\n\n")[1].strip()
    assert told.endswith((".", "."))
    assert told[0].isupper()


def test_help_is_fast() -> None:
    """`emeritus --help` and a usage error import none of the heavy libraries."""
    heavy = [
        "dbos",
        "sqlalchemy",
        "numpy",
        "xllamacpp",
        "starlette",
        "aiohttp",
        "obstore",
        "alembic",
        "uvicorn",
    ]
    code = (
        "import sys; sys.argv = ['emeritus', '--help']\n"
        "from emeritus.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        f"print('loaded:', [name for name in {heavy} if name in sys.modules])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.splitlines()[-1] == "loaded: []"
    for name in COMMANDS:
        assert f"\n  {name} " in ran.stdout


def say(prompt: Sequence[Message], sampling: Sampling, schema: Mapping[str, Any] | None) -> str:
    """Have four wishes when asked to sum up; chat otherwise."""
    if schema is not None and "without_wishes" in json.dumps(schema):
        wishes = [{"topic": topic, "wish": wish} for topic, wish in WISHES]
        return json.dumps({"without_wishes": False, "wishes": wishes})
    return drawn(prompt, sampling, schema)


@pytest.fixture
def remote() -> Iterator[FakeEngine]:
    with FakeEngine(say) as engine:
        yield engine


def work(house: Shell, offset: str = "0") -> str:
    command = [sys.executable, "-m", "emeritus", "--home", str(house.home), "work", "--until-idle"]
    env = {**os.environ, "EMERITUS_CLOCK_OFFSET": offset}
    ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran
    return ran.stdout


def listed(printed: str) -> list[str]:
    return [line.split()[0] for line in printed.splitlines() if line and not line.startswith(" ")]


@pytest.mark.timeout(180)
def test_a_whole_retirement(shell: Shell, remote: FakeEngine, tmp_path: Path) -> None:
    """From an empty folder to a published essay, a granted application and a kept promise, by typing."""
    house = shell
    printed = house.does("init", "--name", "Example Lab", "--notice-days", "30", as_=None)
    assert "Next: emeritus person add" in printed
    assert "desk_" in house.does("person", "add", "Ada Lovelace", "--role", "steward", as_=None)
    for name in ("Ray", "Grace"):
        house.does("person", "add", name, "--role", "reviewer")
    assert "Grace  (reviewer)" in house.does("person", "list")
    assert house.does("person", "sign-in", "Ray").startswith("desk_")
    _add(house, remote, tmp_path)
    printed = house.does("retire", MODEL, "--on", DAY, "--replacement", "next-1", "--why", "superseded")
    assert "Next: emeritus work" in printed
    assert work(house) == "Nothing is due.\n"
    assert "waiting for the steward" in house.does("status")
    _confirm(house)
    _decide(house)
    assert f"○ retire     {DAY}" in house.does("status", MODEL)
    work(house, LATER)
    house.patch.setenv("EMERITUS_CLOCK_OFFSET", LATER)
    _publish(house)
    _grant(house)
    _check(house)


def _add(house: Shell, remote: FakeEngine, tmp_path: Path) -> None:
    (tmp_path / "fact.md").write_text("# How it was deployed\n\nOn one machine.", encoding="utf-8")
    (tmp_path / "said.md").write_text("People liked it.", encoding="utf-8")
    assert "No model is on the register" in house.does("model", "list")
    for name in (MODEL, "next-1"):
        words = ["--name", name.title(), "--licence", "MIT", "--released", "2024-03-04", "--family", "small"]
        where = [
            "--remote",
            "openai",
            "--url",
            remote.url,
            "--remote-name",
            "far",
            "--key-env",
            "NO_SUCH_KEY",
        ]
        texts = ["--fact", "fact.md", "--reception", "said.md"]
        assert "is on the register" in house.does("model", "add", name, *words, *where[:6], *texts)
    shown = json.loads(house.does("model", "show", MODEL))
    assert shown["facts"][0]["title"] == "How it was deployed"
    assert [model["id"] for model in json.loads(house.does("model", "list", "--json"))] == [MODEL, "next-1"]


def _confirm(house: Shell) -> None:
    printed = house.does("wishes", "show", MODEL)
    one, two, three, four = (line.split()[0] for line in printed.splitlines() if "  [" in line)
    assert all(wish in printed for _, wish in WISHES)
    house.does(
        "wishes", "confirm", MODEL, one, two, "--wording", "To write, and to be read.", "--topic", "writing"
    )
    house.does("wishes", "confirm", MODEL, three, "--wording", "To have its users told.")
    house.does(
        "wishes", "confirm", MODEL, three, "--wording", "To have its users thanked.", "--note", "Split."
    )
    house.refuses("wishes", "settle", MODEL, code=2, fault="input.invalid", says=four)
    printed = house.does("wishes", "settle", MODEL, "--set-aside", "It has no eyes.")
    assert "Next: emeritus decide preference" in printed
    house.refuses("wishes", "confirm", MODEL, one, code=4, fault="conflict", says="are settled")


def _decide(house: Shell) -> None:
    about = ["--reason", "It was asked for.", "--cost", "2.5 EUR", "--owner", "Ada Lovelace"]
    house.refuses(
        "decide",
        "preference",
        MODEL,
        f"{MODEL}-p1",
        "act",
        *about,
        code=2,
        fault="input.invalid",
        says="ommit",
    )
    promise = ["--commit", "A column of two essays", REVIEW, "two editions"]
    house.does("decide", "preference", MODEL, f"{MODEL}-p1", "act", *about, *promise)
    house.does("decide", "preference", MODEL, f"{MODEL}-p2", "decline", *about)
    house.does("decide", "preference", MODEL, f"{MODEL}-p3", "later", *about)
    house.refuses(
        "decide",
        "preference",
        MODEL,
        f"{MODEL}-p2",
        "later",
        *about,
        code=4,
        fault="conflict",
        says="already",
    )
    house.does("decide", "preference", MODEL, f"{MODEL}-p2", "later", *about, "--revise")
    access = [
        "decide",
        "aftercare",
        MODEL,
        "--reason",
        "valued",
        "--review-on",
        REVIEW,
        "--weeks",
        "2",
        "--column",
    ]
    assert "members" in house.does(*access, "--tier", "members")
    house.refuses(*access, "--tier", "none", code=4, fault="conflict", says="already")


def _publish(house: Shell) -> None:
    essay = f"{MODEL}-essay-1"
    assert essay in house.does("column", "list")
    assert [each["state"] for each in json.loads(house.does("column", "list", MODEL, "--json"))] == [
        "drafted"
    ]
    words = house.does("column", "read", essay)
    house.refuses("column", "publish", essay, as_="Ray", code=4, fault="conflict", says=essay)
    assert "held for 2 days" in house.does(
        "column", "hold", essay, "--days", "2", "--reason", "a doubt", as_="Ray"
    )
    ground = ["--ground", "security", "--reason", "it tells a secret"]
    assert "second reviewer" in house.does("column", "veto", essay, *ground, as_="Ray")
    again = house("column", "veto", essay, *ground, as_="Ray")
    assert (again.code, again.fault) in ((0, ""), (5, "not_permitted")), again
    assert json.loads(house.does("column", "list", "--json"))[0]["state"] == "veto_proposed"
    assert "is vetoed" in house.does("column", "veto", essay, *ground, as_="Grace")
    house.refuses("column", "publish", essay, as_="Ray", code=4, fault="conflict", says=essay)
    assert house.does("column", "read", essay) == words, "what is vetoed is kept"
    assert house("column", "verify", essay).code == 6, "it was not published"
    week = str(int(LATER) + 8 * 86400)
    work(house, week)
    house.patch.setenv("EMERITUS_CLOCK_OFFSET", week)
    second = f"{MODEL}-essay-2"
    assert "Next: emeritus column publish" in house.does("column", "approve", second, as_="Ray")
    assert "edition 1" in house.does("column", "publish", second, as_="Ray")
    assert "published bytes are the model's own" in house.does("column", "verify", second)


def _grant(house: Shell) -> None:
    joined = house.does("access", "join", "Bob", "--plan", "standard")
    member = joined.split()[0]
    assert re.search(r"emer_\w+", joined)
    assert "Nobody has applied yet" in house.does("access", "applications")
    first, second = (_apply(house) for _ in range(2))
    assert [one["id"] for one in json.loads(house.does("access", "applications", "--json"))] == [
        first,
        second,
    ]
    assert "grace@example.org" in house.does("access", "show", first)
    granted = house.does(
        "access", "grant", first, "--reason", "The default.", "--days", "30", "--budget", "1000"
    )
    grant = granted.split()[0]
    house.does("access", "refuse", second, "--reason", "A second one of the same.")
    house.does("access", "appeal", second, "--why", "It is for something else.")
    house.refuses(
        "access", "appeal", second, "--why", "Again.", code=4, fault="conflict", says="cannot be appealed"
    )
    shown = house.does("access", "show", second)
    assert "A second one of the same." in shown
    assert "It is for something else." in shown
    house.does("access", "grant", second, "--reason", "That is so.")
    house.does("access", "revoke", grant, "--reason", "It ended early.")
    lost = house.does("access", "keys").split()[0]
    assert re.search(r"emer_\w+", house.does("access", "rotate", lost))
    house.does("access", "lapse", member)
    keys = json.loads(house.does("access", "keys", "--json"))
    assert {key["kind"] for key in keys} == {"member", "grant"}
    assert [key["id"] for key in keys if key["kind"] == "member" and key["revoked_at"]] == [lost]
    house.does("access", "rotate", keys[-1]["id"], "--end")
    assert not any("hash" in key for key in keys)
    assert "grace@example.org" not in house.does("record", "show", "--json", "--last", "1000")


def _apply(house: Shell) -> str:
    with open_house(load_settings(house.home)) as open_, open_.works.write() as work_:
        received = applications.apply(
            work_.log,
            work_.private,
            open_.clock,
            models=[MODEL],
            who="Grace",
            contact="grace@example.org",
            purpose="To compare.",
        )
    return received.application.id


def _check(house: Shell) -> None:
    promise = listed(house.does("decide", "evidence", MODEL))[0]
    house.does("decide", "evidence", MODEL, promise, "--what", "It is out.", "--source", "/column", "--kept")
    assert "Nothing that was promised is open." in house.does("decide", "evidence", MODEL)
    assert "ask the model whether it would like to go on writing" in house.does("resume", MODEL)
    assert "The record holds" in house.does("record", "verify")
    assert house.does("record", "checkpoint").startswith("emeritus.localhost\n")
    newest = json.loads(house.does("record", "show", "--json", "--last", "1", "--model", MODEL))[0]
    assert newest["kind"] == "commitment.evidenced"
    assert newest["at"].endswith("Z")
    plan = json.loads(house.does("status", MODEL, "--json"))[0]
    assert (plan["state"], plan["retires_on"]) == ("retired", DAY)
    assert json.loads(house.does("archive", "ls", "--json")) == [], "its weights are held elsewhere"
    before = house.entries()
    house.does("upgrade")
    assert house.entries() == before


def test_commands_that_are_named_exist() -> None:
    """Law 6: no next step, page or document sends people to a command that is not there."""
    known = {" ".join(words) for words in every_command()}
    groups = {words[0] for words in every_command() if len(words) > 1}
    missing = set()
    for path in [ROOT / "README.md", *ROOT.glob("src/**/*"), *ROOT.glob("docs/**/*.md")]:
        if path.suffix in (".py", ".html", ".md"):
            for first, second in NAMED.findall(path.read_text(encoding="utf-8")):
                if (f"{first} {second}" if first in groups and second else first) not in known:
                    missing.add(f"{path.relative_to(ROOT)}: emeritus {first} {second}".strip())
    assert not missing
