"""Bad input on the command line: an error id, a sentence, a next step, the documented code, and no trace."""

import os
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from emeritus.archive.fakes import FakeTensor, gguf_bytes, safetensors_bytes

from .conftest import MODEL, Shell

INVALID, MISSING, CONFLICT, FORBIDDEN, AWAY = (2, 3, 4, 5, 7)
GOOD = gguf_bytes([FakeTensor("a", 0, (8, 4), bytes(range(128)))])
GOOD_TENSORS = safetensors_bytes([FakeTensor("a", "F32", (8, 4), bytes(range(128)))])
Words = Callable[..., list[str]]


def days(count: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=count)).isoformat()


def retire(*more: str, on: str = "", model: str = MODEL) -> list[str]:
    return ["retire", model, "--on", on or days(90), "--why", "superseded", *(more or ("--no-replacement",))]


# ---- where the house is, and who acts ----

NEEDS_HOUSE = [
    ["status"],
    ["model", "list"],
    ["work", "--until-idle"],
    ["serve", "--port", "0"],
    ["upgrade"],
    ["record", "verify"],
    ["person", "add", "Ada", "--role", "steward"],
    retire(),
]


@pytest.mark.parametrize("words", NEEDS_HOUSE, ids=lambda words: words[0])
def test_without_a_house(shell: Shell, words: list[str]) -> None:
    """Where no house stands, every command says so, says how one is made, and makes none."""
    ran = shell.refuses(*words, code=MISSING, fault="not_found", says="There is no house at")
    assert "emeritus init" in ran.err
    assert not shell.home.exists()


def test_a_home_that_is_a_file(shell: Shell, weights: Path) -> None:
    """A file is no house, and stays what it is."""
    shell.home = weights
    shell.refuses("init", "--name", "Lab", code=INVALID, fault="cli.usage", says="is a file")
    assert weights.read_bytes() == GOOD


NEEDS_PERSON = [
    [
        "model",
        "add",
        "x",
        "--name",
        "X",
        "--licence",
        "MIT",
        "--released",
        "2024-01-01",
        "--weights",
        "small.gguf",
    ],
    retire(),
    ["wishes", "confirm", MODEL, "w1"],
    ["wishes", "settle", MODEL],
    ["decide", "preference", MODEL, "p1", "later", "--reason", "x", "--cost", "1 EUR", "--owner", "Ada"],
    ["decide", "aftercare", MODEL, "--tier", "none", "--reason", "x", "--review-on", days(400)],
    ["decide", "evidence", MODEL, "c1", "--what", "x", "--source", "y"],
    ["column", "approve", "e"],
    ["column", "hold", "e", "--days", "1", "--reason", "x"],
    ["column", "veto", "e", "--ground", "security", "--reason", "x"],
    ["column", "publish", "e"],
    ["access", "join", "Bob", "--plan", "standard"],
    ["access", "lapse", "member-1"],
    ["access", "appeal", "application-1", "--why", "x"],
    ["access", "refuse", "application-1", "--reason", "x"],
    ["access", "revoke", "grant-1", "--reason", "x"],
    ["person", "add", "Eve", "--role", "reviewer"],
]


@pytest.mark.parametrize("words", NEEDS_PERSON, ids=lambda words: "-".join(words[:2]))
def test_an_act_needs_a_person(house: Shell, words: list[str]) -> None:
    """Law 3: whoever does not say who acts, does nothing; the error says how one says it."""
    ran = house.refuses(*words, code=INVALID, fault="input.invalid", says="nobody is named", as_=None)
    assert "--as" in ran.err


@pytest.mark.parametrize(
    "words", [words for words in NEEDS_PERSON if words[1] != "publish"], ids=lambda w: "-".join(w[:2])
)
def test_an_act_needs_somebody_known_here(house: Shell, words: list[str]) -> None:
    """A name that has no role in the house acts in none; the error says who could."""
    before = house.entries()
    ran = house(*words, as_="Mallory")
    assert ran.code in (MISSING, FORBIDDEN), ran
    assert house.entries() == before
    if ran.code == FORBIDDEN:
        assert "those who are: " in ran.err


def test_people(house: Shell) -> None:
    """The first steward adds themself; from then on a steward adds people, and nobody else."""
    house.refuses(
        "person", "add", "Mallory", "--role", "steward", as_="Mallory", code=FORBIDDEN, fault="not_permitted",
        says="Mallory is not a steward here",
    )  # fmt: skip
    house.refuses("person", "add", "Eve", "--role", "king", code=INVALID, fault="cli.usage", says="king")
    house.refuses(
        "person", "add", "\x07", "--role", "steward", code=INVALID, fault="input.invalid", says="name"
    )
    ran = house.refuses("person", "sign-in", "Eve", code=MISSING, fault="not_found", says="'Eve'")
    assert "Ada Lovelace, Ray" in ran.err


# ---- a house ----


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--name", "  "], "has no name"),
        (["--name", "Lab", "--notice-days", "-1"], "-1 days"),
        (["--name", "Lab", "--notice-days", "9999"], "9999 days"),
    ],
)
def test_a_house_that_cannot_be(shell: Shell, words: list[str], says: str) -> None:
    """What is refused at its founding leaves no folder, no key and no tables behind."""
    shell.refuses("init", *words, code=INVALID, fault="input.invalid", says=says)
    assert not shell.home.exists()


def test_a_house_is_founded_once(house: Shell) -> None:
    """The same again changes nothing; another name is a conflict, and the key stays."""
    key = (house.home / "record.key").read_bytes()
    before = house.entries()
    house.does("init", "--name", "Example Lab")
    house.refuses("init", "--name", "Other", code=CONFLICT, fault="conflict", says="on the record already")
    assert house.entries() == before
    assert (house.home / "record.key").read_bytes() == key
    assert (house.home / "record.key").stat().st_mode & 0o077 == 0, "the key is for its owner only"


# ---- models ----


@pytest.mark.parametrize(
    "name", ["a/b", "../x", "..", "/etc/passwd", "Upper", "x" * 97, "-x", "", "a..b", "é", "a\nb"]
)
def test_a_model_id_is_safe_everywhere(house: Shell, add_model: Words, name: str) -> None:
    """An id is a folder name and a part of a URL: no slashes, no dots that climb, nothing odd."""
    house.refuses(*add_model(name), code=INVALID, fault="input.invalid", says="cannot be a model id")


def _lying_gguf() -> bytes:
    return GOOD[:8] + struct.pack("<Q", 2**60) + GOOD[16:]


BROKEN = {
    "cut.gguf": (GOOD[:-40], "archive.container_invalid"),
    "lying.gguf": (_lying_gguf(), "archive.container_invalid"),
    "head.gguf": (GOOD[:6], "archive.container_invalid"),
    "other.gguf": (b"PK\x03\x04" + bytes(200), "archive.container_invalid"),
    "empty.gguf": (b"", "archive.source_refused"),
    "cut.safetensors": (GOOD_TENSORS[:-1], "archive.container_invalid"),
    "lying.safetensors": (struct.pack("<Q", 2**62) + GOOD_TENSORS[8:], "archive.container_invalid"),
    "notes.txt": (b"These are no weights.", "archive.source_refused"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_weights(house: Shell, add_model: Words, tmp_path: Path, name: str) -> None:
    """Weights are looked at before anything is written: cut off, lying about themselves, or none at all."""
    data, fault = BROKEN[name]
    (tmp_path / name).write_bytes(data)
    house.refuses(*add_model("x", weights=str(tmp_path / name)), code=INVALID, fault=fault, says=name)
    assert "'x'" in house("model", "show", "x").err


def test_weights_that_are_not_where_they_seem(house: Shell, add_model: Words, tmp_path: Path) -> None:
    """A missing file, a link out of the folder, a folder of nothing, a named pipe: refused, not followed."""
    folder = tmp_path / "weights"
    folder.mkdir()
    refused = {"code": INVALID, "fault": "archive.source_refused"}
    house.refuses(*add_model("x", weights=str(tmp_path / "none.gguf")), says="No such file", **refused)
    house.refuses(*add_model("x", weights=str(folder)), says="weights", **refused)
    outside = tmp_path / "outside.safetensors"
    outside.write_bytes(GOOD_TENSORS)
    (folder / "model.safetensors").symlink_to(outside)
    house.refuses(*add_model("x", weights=str(folder)), says="model.safetensors", **refused)
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")
    house.refuses(*add_model("x", weights=str(folder)), says="model.safetensors", **refused)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"released": "yesterday"}, "is not a date"),
        ({"released": "2024-02-30"}, "is not a date"),
        ({"released": "20240304"}, "is not a date"),
        ({"released": "2999-01-01"}, "is no day of release"),
        ({"name": ""}, "display name"),
        ({"name": "a\nb"}, "display name"),
        ({"licence": " "}, "licence"),
        ({"base": "nobody"}, "nobody"),
        ({"weights": None}, "weights here, an address elsewhere, or both"),
        ({"weights": None, "remote": "openai"}, "needs its address"),
        ({"weights": None, "remote": "openai", "url": "ftp://x.example"}, "not an address"),
        ({"weights": None, "remote": "openai", "url": "http://x.example"}, "in the clear"),
        ({"weights": None, "remote": "openai", "url": "https://user:secret@x.example"}, "address"),
        ({"fact": "none.md"}, "cannot be read as text: No such file"),
        ({"fact": "."}, "cannot be read as text"),
        ({"reception": "small.gguf"}, "cannot be read as text: it is not UTF-8"),
    ],
    ids=str,
)
def test_a_model_that_cannot_be(house: Shell, add_model: Words, tmp_path: Path, changed, says) -> None:
    """Each fact about a model is checked before it is written."""
    (tmp_path / "small.gguf").write_bytes(GOOD + b"\xff")
    house.refuses(*add_model("x", **changed), code=INVALID, fault="input.invalid", says=says)


def test_another_model_of_that_id(house: Shell, add_model: Words) -> None:
    """The same again changes nothing, also when the file has moved; another one is a conflict."""
    before = house.entries()
    house.does(*add_model())
    assert house.entries() == before
    house.refuses(*add_model(name="Other"), code=CONFLICT, fault="conflict", says="on the record already")
    ran = house.refuses("model", "show", "none", code=MISSING, fault="not_found", says="'none'")
    assert MODEL in ran.err, "it says which models there are"


# ---- a retirement ----


@pytest.mark.parametrize(
    ("words", "code", "fault", "says"),
    [
        (
            ["retire", MODEL, "--on", days(90), "--why", "x"],
            INVALID,
            "input.invalid",
            "not said, or said twice",
        ),
        (
            retire("--replacement", "y", "--no-replacement"),
            INVALID,
            "input.invalid",
            "not said, or said twice",
        ),
        (retire("--replacement", "nobody"), INVALID, "input.invalid", "'nobody' is not on the register"),
        (retire("--replacement", MODEL), INVALID, "input.invalid", "cannot replace itself"),
        (retire(model="nobody"), MISSING, "not_found", "'nobody'"),
        (retire(on="soon"), INVALID, "input.invalid", "is not a date"),
        (retire(on="2027-02-29"), INVALID, "input.invalid", "is not a date"),
        (retire(on=days(-1)), INVALID, "input.invalid", "is not in the future"),
        (retire(on=days(0)), INVALID, "input.invalid", "is not in the future"),
        (retire(on=days(5)), INVALID, "input.invalid", "promises 60"),
        (
            retire("--no-replacement", "--short-notice", " ", on=days(5)),
            INVALID,
            "input.invalid",
            "promises 60",
        ),
        (retire(on=days(9999)), INVALID, "input.invalid", "ten years"),
        (
            ["retire", MODEL, "--on", days(90), "--no-replacement", "--why", " "],
            INVALID,
            "input.invalid",
            "reason",
        ),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else None,
)
def test_a_retirement_that_cannot_be(house: Shell, words, code, fault, says) -> None:
    """An impossible day, an unknown replacement, no reason: nothing is announced."""
    house.refuses(*words, code=code, fault=fault, says=says)


def test_two_retirements(house: Shell) -> None:
    """A model is retired once; announcing the same again is no second announcement."""
    house.does(*retire())
    before = house.entries()
    house.does(*retire())
    assert house.entries() == before
    ran = house.refuses(*retire(on=days(91)), code=CONFLICT, fault="conflict", says="is deprecated")
    assert f"emeritus status {MODEL}" in ran.err


@pytest.mark.parametrize(
    ("words", "code", "fault", "says"),
    [
        (["status", "nobody"], MISSING, "not_found", "'nobody'"),
        (["resume", "nobody"], MISSING, "not_found", "'nobody'"),
        (["wishes", "show", "nobody"], MISSING, "not_found", "'nobody'"),
        (["wishes", "settle", "nobody"], MISSING, "not_found", "'nobody'"),
        (["wishes", "confirm", MODEL, "w9"], INVALID, "input.invalid", "w9 is not among the wishes"),
        (["archive", "verify", "nobody"], MISSING, "not_found", "'nobody'"),
        (["archive", "verify", MODEL], CONFLICT, "conflict", "not in the archive"),
        (["archive", "restore", MODEL, "--to", "out"], CONFLICT, "conflict", "not in the archive"),
        (["decide", "evidence", "nobody"], MISSING, "not_found", "'nobody'"),
        (["decide", "evidence", MODEL, "c9", "--what", "x", "--source", "y"], MISSING, "not_found", "'c9'"),
        (["decide", "evidence", MODEL, "c9", "--what", "x"], INVALID, "input.invalid", "where to see"),
        (["record", "show", "--last", "-1"], INVALID, "cli.usage", "-1"),
        (["nonsense"], INVALID, "cli.usage", "nonsense"),
        (["status", "--nonsense"], INVALID, "cli.usage", "--nonsense"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_is_not_there(house: Shell, words, code, fault, says) -> None:
    """Whatever is asked for and not there is named, with what there is instead or what to do."""
    house.refuses(*words, code=code, fault=fault, says=says)


def decision(cost: str = "1 EUR", preference: str = "p1", verdict: str = "later") -> list[str]:
    words = ["decide", "preference", MODEL, preference, verdict]
    return [*words, "--reason", "x", "--cost", cost, "--owner", "Ada"]


def aftercare(**changed: str) -> list[str]:
    options = {"tier": "public", "reason": "valued", "review-on": days(400), **changed}
    return [
        "decide",
        "aftercare",
        MODEL,
        *(part for name, value in options.items() for part in (f"--{name}", value)),
    ]


@pytest.mark.parametrize(
    ("words", "code", "fault", "says"),
    [
        (decision(cost="much"), INVALID, "input.invalid", "not an amount"),
        (decision(cost="EUR 40"), INVALID, "input.invalid", "not an amount"),
        (decision(cost=""), INVALID, "input.invalid", "not an amount"),
        (decision(), MISSING, "not_found", "'p1' is no preference"),
        (decision(verdict="perhaps"), INVALID, "cli.usage", "perhaps"),
        ([*decision(verdict="act"), "--commit", "it", "soon", "so"], INVALID, "input.invalid", "not a date"),
        (aftercare(tier="vip"), INVALID, "cli.usage", "vip"),
        (aftercare(reason=" "), INVALID, "input.invalid", "reason"),
        (aftercare(**{"review-on": "soon"}), INVALID, "input.invalid", "not a date"),
        (aftercare(**{"review-on": days(-3)}), INVALID, "input.invalid", "not in the future"),
        ([*aftercare(weeks="0"), "--column"], INVALID, "input.invalid", "1 to 520 weeks"),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, list) else None,
)
def test_a_decision_that_cannot_be(house: Shell, words, code, fault, says) -> None:
    """An unknown preference, a cost without a number, a day that is none: nothing is decided."""
    house.refuses(*words, code=code, fault=fault, says=says)


# ---- essays and access ----


@pytest.mark.parametrize("command", ["approve", "hold", "veto", "publish", "read", "verify"])
def test_an_unknown_essay(house: Shell, command: str) -> None:
    """There is no such essay; the error says how those that exist are listed."""
    more = {
        "hold": ["--days", "1", "--reason", "x"],
        "veto": ["--ground", "security", "--reason", "x"],
    }.get(command, [])
    ran = house.refuses(
        "column",
        command,
        "nobody-essay-1",
        *more,
        as_="Ray",
        code=MISSING,
        fault="not_found",
        says="nobody-essay-1",
    )
    assert "emeritus column list" in ran.err


@pytest.mark.parametrize(
    ("url", "code", "fault"),
    [
        ("ftp://127.0.0.1/e", INVALID, "input.invalid"),
        ("file:///etc/passwd", INVALID, "input.invalid"),
        ("http://127.0.0.1:9/column/essays/e", AWAY, "unavailable"),
    ],
)
def test_an_essay_at_an_address_that_gives_none(house: Shell, url: str, code: int, fault: str) -> None:
    """An address that is no web page, or where nobody answers, is named."""
    ran = house.refuses("column", "verify", url, code=code, fault=fault, says=url[:18])
    assert "root:" not in ran.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["lapse", "member-0"], "'member-0'"),
        (["show", "application-0"], "'application-0'"),
        (["appeal", "application-0", "--why", "x"], "'application-0'"),
        (["grant", "application-0", "--reason", "x"], "'application-0'"),
        (["refuse", "application-0", "--reason", "x"], "'application-0'"),
        (["revoke", "grant-0", "--reason", "x"], "'grant-0'"),
        (["rotate", "key-0"], "'key-0'"),
        (["rotate", "key-0", "--end"], "'key-0'"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_access_to_what_is_not_there(house: Shell, words: list[str], says: str) -> None:
    """An unknown member, application or grant is named, and nothing is written."""
    house.refuses("access", *words, code=MISSING, fault="not_found", says=says)


@pytest.mark.parametrize(("name", "plan"), [("", "standard"), ("Bob", " "), ("a\x00b", "standard")])
def test_a_member_that_cannot_be(house: Shell, name: str, plan: str) -> None:
    """A member has a name and a plan."""
    house.refuses(
        "access",
        "join",
        name,
        "--plan",
        plan,
        code=INVALID,
        fault="input.invalid",
        says="plan" if name == "Bob" else "name",
    )
