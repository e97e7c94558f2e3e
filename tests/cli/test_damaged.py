"""What happens to a house: broken settings, lost keys, damaged databases and archives, full disks, taken ports."""

import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from emeritus.archive.fakes import FakeTensor, gguf_bytes

from .conftest import Shell

BROKEN, UNAVAILABLE = (6, 7)
ON = (datetime.now(UTC).date() + timedelta(days=90)).isoformat()


# ---- settings ----


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (b"engine = ", "settings of"),
        (b"enginee = 'x'", "enginee"),
        (b"idle_seconds = 'long'", "idle_seconds"),
        (b"\xff\x00", "utf-8"),
        (b"database_url = 'mysql://x/y'", "neither SQLite nor PostgreSQL"),
        (b"archive_url = 'ftp://x/y'", "'ftp'"),
        (b"site_url = 'here'", "site_url"),
        (b"clock_offset = nan", "clock_offset"),
    ],
    ids=lambda value: value.decode("latin-1") if isinstance(value, bytes) else None,
)
def test_broken_settings(house: Shell, settings: bytes, says: str) -> None:
    """settings.toml is read strictly; what is wrong is named, and no secret default takes its place."""
    (house.home / "settings.toml").write_bytes(settings)
    house.refuses("status", code=2, fault="input.invalid", says=says)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("IDLE_SECONDS", "-1", "idle_seconds"),
        ("ENGINE_CONTEXT", "many", "engine_context"),
        ("ENGINE_THREADS", "-2", "engine_threads"),
        ("CLOCK_OFFSET", "1e300", "clock_offset"),
        ("DATABASE_URL", "here", "neither SQLite nor PostgreSQL"),
        ("SITE_URL", "javascript:alert(1)", "site_url"),
        ("IDEL_SECONDS", "5", "EMERITUS_IDLE_SECONDS"),
    ],
)
def test_wrong_variables(house: Shell, name: str, value: str, says: str) -> None:
    """A variable that cannot be, or that is almost a setting, is named instead of passed over."""
    house.patch.setenv(f"EMERITUS_{name}", value)
    house.refuses("status", code=2, fault="input.invalid", says=says)


def test_a_database_that_does_not_answer(house: Shell) -> None:
    """A server that is away is said to be away."""
    house.patch.setenv("EMERITUS_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    house.refuses("status", code=UNAVAILABLE, fault="database.unavailable", says="Connection refused")


# ---- the key ----


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"emeritus.localhost abcd", b"a\n" + b"zz" * 32, b"a b c"]
)
def test_a_damaged_key(house: Shell, data: bytes) -> None:
    """A key file that holds none is named; nothing is added to the record, and no new key made."""
    key = house.home / "record.key"
    key.write_bytes(data)
    for words in (
        ["status"],
        ["person", "add", "Eve", "--role", "reviewer"],
        ["init", "--name", "Example Lab"],
    ):
        house.refuses(*words, code=BROKEN, fault="integrity.broken", says="record.key does not hold")
    assert key.read_bytes() == data


def test_a_key_of_another_house(house: Shell, shell: Shell) -> None:
    """A sound key that is not this record's (one bit is enough) is refused before it signs anything."""
    key = house.home / "record.key"
    name, seed = key.read_text().split()
    key.write_text(f"{name}\n{int(seed, 16) ^ 1:064x}\n")
    house.refuses("status", code=BROKEN, fault="integrity.broken", says="not the key with which")
    house.refuses(
        "person",
        "add",
        "Eve",
        "--role",
        "reviewer",
        code=BROKEN,
        fault="integrity.broken",
        says="not the key",
    )


def test_a_key_that_cannot_be_read(house: Shell) -> None:
    """When the file is there and cannot be read, that is what the error says."""
    (house.home / "record.key").unlink()
    (house.home / "record.key").mkdir()
    ran = house.refuses("status", code=UNAVAILABLE, fault="unavailable", says="record.key cannot be read")
    assert "chmod 600" in ran.err


@pytest.fixture
def as_nobody(house: Shell) -> Iterator[Callable[..., tuple[int, str]]]:
    """Run commands as a user who owns nothing, on a copy of the house where that user can get at it."""
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    folder = Path(tempfile.mkdtemp(prefix="emeritus-nobody-", dir="/tmp"))
    folder.chmod(0o755)
    shutil.copytree(house.home, folder / "house")

    def run(*words: str) -> tuple[int, str]:
        command = [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--",
            sys.executable,
            "-m",
            "emeritus",
        ]
        home = ["--home", str(folder / "house"), "--as", "Ada Lovelace"]
        env = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "LC_ALL": "C.UTF-8",
            "COVERAGE_PROCESS_START": "",
        }
        ran = subprocess.run(
            [*command, *home, *words],
            capture_output=True,
            text=True,
            timeout=60,
            cwd="/",
            env=env,
            check=False,
        )
        if "ModuleNotFoundError" in ran.stderr or "Permission denied: '/root" in ran.stderr:
            pytest.skip("another user cannot read this Python")
        assert "Traceback" not in ran.stderr, ran.stderr
        return ran.returncode, ran.stderr

    yield run
    shutil.rmtree(folder)


def test_permissions_lost(as_nobody: Callable[..., tuple[int, str]]) -> None:
    """Another user cannot read the key, so cannot act; the error says whose the house is to be."""
    code, said = as_nobody("status")
    assert (code, said.partition(":")[0]) == (UNAVAILABLE, "unavailable"), said
    assert "record.key cannot be read: Permission denied" in said


def test_a_home_that_cannot_be_written(as_nobody: Callable[..., tuple[int, str]]) -> None:
    """A house cannot be made where one may not write; the error names the folder."""
    code, said = as_nobody("--home", "/proc/house", "init", "--name", "Lab")
    assert (code, said.partition(":")[0]) == (UNAVAILABLE, "system.refused"), said
    assert "/proc/house" in said


# ---- the database ----


def _garbage(path: Path) -> None:
    path.write_bytes(b"garbage" * 1000)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:9000])


def _scratched(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:40960] = os.urandom(36864)
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [_garbage, _cut, _scratched])
@pytest.mark.parametrize("words", [["status"], ["record", "verify"], ["person", "list"]], ids=lambda w: w[0])
def test_a_damaged_database(house: Shell, damage: Callable[[Path], None], words: list[str]) -> None:
    """A database that is none any more is named as that, with where to get it back from."""
    damage(house.home / "emeritus.db")
    ran = house.refuses(*words, code=BROKEN, fault="integrity.broken", says="is damaged")
    assert "backup" in ran.err


def _tamper(home: Path, statement: str) -> None:
    with sqlite3.connect(home / "emeritus.db") as database:
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute("PRAGMA foreign_keys = OFF")
        database.execute(statement)


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("UPDATE entry SET data = CAST(data || ' ' AS BLOB) WHERE seq = 4", "entry 4"),
        ("UPDATE entry SET data = CAST(replace(data, 'Ray', 'Roy') AS BLOB) WHERE seq = 3", "checkpoint"),
        ("DELETE FROM entry WHERE seq = 4", "4"),
        ("DELETE FROM checkpoint", "checkpoint"),
        ("UPDATE entry SET kind = 'x.y' WHERE seq = 2", "column kind"),
    ],
)
def test_a_tampered_record(house: Shell, statement: str, names: str) -> None:
    """Whoever changes the record behind its back is found out, with the place; the code is 6."""
    assert "The record holds: 5 entries" in house.does("record", "verify")
    _tamper(house.home, statement)
    ran = house("record", "verify")
    assert ran.code == BROKEN, ran
    assert names in ran.out + ran.err


def test_the_database_itself_refuses_to_forget(house: Shell) -> None:
    """Law 5: no plain statement changes or removes an entry."""
    with sqlite3.connect(house.home / "emeritus.db") as database:
        for statement in ("DELETE FROM entry", "UPDATE entry SET kind = 'x.y'", "DELETE FROM checkpoint"):
            with pytest.raises(sqlite3.Error):
                database.execute(statement)


# ---- the archive, and the disk ----


@pytest.fixture
def large(house: Shell, tmp_path: Path) -> Shell:
    """A house with a model of 12 MB of noise, whose retirement is announced."""
    weights = tmp_path / "large.gguf"
    weights.write_bytes(gguf_bytes([FakeTensor("a", 0, (1024, 3072), os.urandom(4 * 1024 * 3072))]))
    add = ["--name", "Large", "--licence", "MIT", "--released", "2024-03-04", "--weights", str(weights)]
    house.does("model", "add", "large", *add)
    house.does("retire", "large", "--on", ON, "--no-replacement", "--why", "superseded")
    return house


def work(house: Shell, most: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run the worker in a process of its own, whose files may have *most* bytes. No engine is there for it."""

    def limit() -> None:
        if most is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    command = [sys.executable, "-m", "emeritus", "--home", str(house.home), "work", "--until-idle"]
    env = {**os.environ, "EMERITUS_ENGINE": "none"}
    return subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=120, preexec_fn=limit, check=False
    )


def test_a_full_disk_and_a_damaged_archive(large: Shell, tmp_path: Path) -> None:
    """Full: the failure is clear, nothing half is kept, `resume` finishes. Damaged: `verify` names the object."""
    ran = work(large, most=8 << 20)
    assert ran.returncode == UNAVAILABLE, ran
    assert "There is no space left to write" in ran.stderr
    assert "Traceback" not in ran.stderr
    status = large.does("status", "large")
    assert "preserve failed: There is no space left" in status
    assert "Free some space" in status
    assert "emeritus resume large" in status
    assert "The record holds" in large.does("record", "verify")
    assert not [path for path in (large.home / "archive").rglob("*") if path.stat().st_size > 8 << 20]
    large.refuses("archive", "verify", "large", code=4, fault="conflict", says="not in the archive")

    assert "preserve is asked for" in large.does("resume", "large")
    assert "interview of large" in work(large).stderr, "what comes next has no engine here"
    assert "weights stored, restored and compared" in large.does("status", "large")
    assert "large is sound" in large.does("archive", "verify", "large")
    assert "12.6 MB" in large.does("archive", "ls")
    large.does("archive", "restore", "large", "--to", str(tmp_path / "restored"))
    assert (tmp_path / "restored/large.gguf").read_bytes() == (tmp_path / "large.gguf").read_bytes()
    (tmp_path / "restored/large.gguf").write_bytes(b"mine")
    large.refuses(
        "archive", "restore", "large", "--to", str(tmp_path / "restored"), code=4, fault="archive.target_occupied", says="large.gguf"
    )  # fmt: skip
    _damage_the_largest(large)


def _damage_the_largest(large: Shell) -> None:
    objects = [path for path in (large.home / "archive/objects").rglob("*") if path.is_file()]
    worst = max(objects, key=lambda path: path.stat().st_size)
    data = bytearray(worst.read_bytes())
    data[len(data) // 2] ^= 1
    worst.chmod(0o644)
    worst.write_bytes(data)
    ran = large("archive", "verify", "large")
    assert ran.code == BROKEN
    assert worst.name in ran.err
    assert "large is damaged" in ran.err
    worst.unlink()
    ran = large("archive", "verify", "large")
    assert (ran.code, worst.name in ran.err) == (BROKEN, True)
    ran = large("archive", "restore", "large", "--to", "other")
    assert ran.code == BROKEN
    assert "archive.object_missing: " in ran.err
    assert not list(Path("other").glob("*.gguf"))


# ---- ports and signals ----


def test_a_port_that_is_taken(house: Shell) -> None:
    """The error names the port and the way out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ran = house.refuses(
            "serve",
            "--no-work",
            "--port",
            port,
            code=UNAVAILABLE,
            fault="unavailable",
            says=f"127.0.0.1:{port}",
        )
    assert "--port" in ran.err
    house.refuses("serve", "--port", "99999", code=2, fault="cli.usage", says="99999")
    house.refuses(
        "serve", "--no-work", "--host", "no.invalid", "--port", "0", code=UNAVAILABLE, fault="unavailable", says="no.invalid"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("how", "words", "code"),
    [
        (signal.SIGINT, ["work"], 130),
        (signal.SIGTERM, ["work"], 0),
        (signal.SIGINT, ["serve", "--port", "0"], 130),
        (signal.SIGTERM, ["serve", "--port", "0"], 0),
    ],
    ids=lambda value: getattr(value, "name", None) or (value[0] if isinstance(value, list) else None),
)
def test_asked_to_stop(house: Shell, how: signal.Signals, words: list[str], code: int) -> None:
    """Ctrl-C and SIGTERM end a worker and a server within seconds, without a traceback; they sign out."""
    command = [sys.executable, "-m", "emeritus", "--home", str(house.home), *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        _wait_for_worker(house.home)
        process.send_signal(how)
        if "serve" in words:
            time.sleep(0.05)
            process.send_signal(how)  # whoever is impatient presses Ctrl-C twice
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in said
    assert process.returncode == code, said
    assert not _workers(house.home)


def _workers(home: Path) -> int:
    with sqlite3.connect(home / "emeritus.db") as database:
        return int(database.execute("SELECT count(*) FROM worker").fetchone()[0])


def _wait_for_worker(home: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if _workers(home):
            time.sleep(1.5)  # it has signed in; a moment later it is at work
            return
        time.sleep(0.05)
    pytest.fail("the worker never signed in")


def test_a_reader_that_has_seen_enough(house: Shell) -> None:
    """`emeritus … | head` ends quietly."""
    command = f"{sys.executable} -m emeritus --home {house.home} record show --json | head -c 20"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert ran.stderr == ""
    assert ran.stdout.startswith("[")
