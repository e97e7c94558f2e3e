"""The command line in this process, on houses of its own."""

import functools
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import define, frozen
from click.testing import CliRunner

from emeritus.archive.fakes import FakeTensor, gguf_bytes
from emeritus.cli import cli
from emeritus.cli.faults import run

MODEL = "small-1"


@frozen
class Ran:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def fault(self) -> str:
        """The id of the error that was shown."""
        return self.err.strip().splitlines()[0].partition(":")[0] if self.err.strip() else ""


@define
class Shell:
    """Types commands for one house, as one person."""

    home: Path
    capture: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch
    name: str | None = "Ada Lovelace"

    def __call__(self, *args: str, as_: str | None = "") -> Ran:
        name = self.name if as_ == "" else as_
        who = ("--as", name) if name else ()
        self.patch.setattr(sys, "argv", ["emeritus", "--home", str(self.home), *who, *args])
        self.capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            run(cli)
        said = self.capture.readouterr()
        assert "Traceback" not in said.out + said.err
        return Ran(int(ended.value.code or 0), said.out, said.err)

    def does(self, *args: str, as_: str | None = "") -> str:
        """Run a command that has to go well; return what it printed."""
        ran = self(*args, as_=as_)
        assert ran.code == 0, ran
        return ran.out

    def refuses(self, *args: str, code: int, fault: str, says: str, as_: str | None = "") -> Ran:
        """Run a command that has to be refused: by id, sentence and next step, and without a trace."""
        before = self.entries()
        ran = self(*args, as_=as_)
        assert (ran.code, ran.fault) == (code, fault), ran
        assert says in ran.err
        assert ran.err.strip().splitlines()[-1].startswith("  → "), ran.err
        assert self.entries() == before, "something was written"
        return ran

    def entries(self) -> int:
        database = self.home / "emeritus.db"
        if not database.exists():
            return -1
        try:
            with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
                return int(connection.execute("SELECT count(*) FROM entry").fetchone()[0])
        except sqlite3.Error:
            return -2


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell where no house stands yet."""
    for name in ("EMERITUS_HOME", "EMERITUS_AS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return Shell(tmp_path / "house", capsys, monkeypatch)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """The smallest sound GGUF file."""
    return small_weights(tmp_path)


def small_weights(folder: Path) -> Path:
    path = folder / "small.gguf"
    path.write_bytes(gguf_bytes([FakeTensor("a", 0, (8, 4), bytes(range(128)))]))
    return path


def adding(held: Path, model: str = MODEL, /, **changed: str | None) -> list[str]:
    options = {
        "name": "Small One",
        "licence": "MIT",
        "released": "2024-03-04",
        "weights": str(held),
        **changed,
    }
    given = [part for name, value in options.items() if value is not None for part in (f"--{name}", value)]
    return ["model", "add", *given, "--", model]


@pytest.fixture
def add_model(weights: Path) -> Callable[..., list[str]]:
    """Return the words that add a model, with some of them changed."""
    return functools.partial(adding, weights)


@pytest.fixture(scope="session")
def made_house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A house with a steward, a reviewer, and a model in service; to be copied."""
    folder = tmp_path_factory.mktemp("made")
    for words in (
        ["init", "--name", "Example Lab"],
        ["person", "add", "Ada Lovelace", "--role", "steward"],
        ["person", "add", "Ray", "--role", "reviewer"],
        adding(small_weights(folder)),
    ):
        home = ["--home", str(folder / "house"), "--as", "Ada Lovelace"]
        CliRunner(catch_exceptions=False).invoke(cli, [*home, *words], standalone_mode=False)
    return folder / "house"


@pytest.fixture
def house(shell: Shell, made_house: Path, weights: Path) -> Shell:
    """A shell at a house with a steward, a reviewer, and a model in service."""
    shutil.copytree(made_house, shell.home)
    return shell
