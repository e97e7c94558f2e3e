"""Models restored for engines: held while they are read, within a budget, and never spoken from when decayed."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from attrs import evolve

from emeritus import archive
from emeritus.archive.errors import CacheFull, FileDecayed
from emeritus.archive.restored import Restored

from .conftest import sign


@pytest.fixture
def manifest(source, blobs):
    return archive.ingest(source, "first", blobs, sign=sign).manifest


@pytest.fixture
def others(manifest):
    """The same files under other names: what is restored depends on the manifest alone."""
    return lambda name: evolve(manifest, model=name)


@pytest.fixture
def room(tmp_path):
    return lambda budget=None, ticks=lambda: 0.0, patience=0.0: Restored(
        tmp_path / "cache", budget, patience=patience, ticks=ticks
    )


def test_what_was_restored_once_is_handed_out_at_once(room, manifest, blobs, monkeypatch):
    """The second asking touches neither the archive nor the files; they are checked meanwhile."""
    restored = room()
    (path,) = restored.hold(manifest, blobs)
    restored.vouch("first")
    restored.let_go("first")
    monkeypatch.setattr("emeritus.archive.restored.restore", None)
    before = path.stat()
    assert restored.hold(manifest, blobs) == (path,)
    restored.vouch("first")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_file_that_decayed_is_found_out_and_restored_anew(room, manifest, blobs):
    """One bit is enough; it is thrown away, and the next asking gives the right one."""
    restored = room()
    (path,) = restored.hold(manifest, blobs)
    right = path.read_bytes()
    restored.let_go("first")
    path.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    restored.hold(manifest, blobs)
    with pytest.raises(FileDecayed):
        restored.vouch("first")
    assert not path.exists()
    restored.let_go("first")
    assert restored.hold(manifest, blobs) == (path,)
    restored.vouch("first")
    assert path.read_bytes() == right


@pytest.mark.parametrize("wrong", ["short", "link", "missing"])
def test_what_is_no_such_file_is_replaced(room, manifest, blobs, tmp_path, wrong):
    """A file of another length, a link, or none: restored anew, and nothing outside is touched."""
    restored = room()
    (path,) = restored.hold(manifest, blobs)
    right = path.read_bytes()
    restored.let_go("first")
    path.unlink()
    outside = tmp_path / "outside"
    outside.write_bytes(right)
    if wrong == "short":
        path.write_bytes(right[:-1])
    elif wrong == "link":
        path.symlink_to(outside)
    restored.hold(manifest, blobs)
    assert path.read_bytes() == right
    assert not path.is_symlink()
    assert outside.exists()


def test_who_was_asked_for_least_makes_room(room, manifest, others, blobs):
    """With room for two, the third takes the place of the one that was asked for less, not of the older one."""
    now = [0.0]
    restored = room(2 * manifest.size, lambda: now[0])
    for name in ("a", "a", "b", "c"):
        now[0] += 1
        restored.hold(others(name), blobs)
        restored.let_go(name)
    assert set(restored.used()) == {"a", "c"}
    now[0] += 60 * 24 * 3600
    for name in ("d", "e"):  # after two months even what was popular may go
        restored.hold(others(name), blobs)
        restored.let_go(name)
    assert set(restored.used()) == {"d", "e"}


def test_what_is_held_stays(room, manifest, others, blobs):
    """An engine's file is never taken away: whoever finds no room is told, and nothing half-written stays."""
    restored = room(manifest.size)
    (path,) = restored.hold(manifest, blobs)
    with pytest.raises(CacheFull, match="budget"):
        restored.hold(others("second"), blobs)
    assert path.exists()
    assert sum(restored.used().values()) == manifest.size
    restored.let_go("first")
    restored.hold(others("second"), blobs)
    assert set(restored.used()) == {"second"}


def test_who_finds_no_room_waits_for_it(room, manifest, others, blobs):
    """An engine that stops gives its place to whoever waits for one, within its patience."""
    restored = room(manifest.size, patience=30.0)
    restored.hold(manifest, blobs)
    waiting = threading.Thread(target=restored.hold, args=(others("second"), blobs))
    waiting.start()
    while "second" not in restored._holds:
        pass
    restored.let_go("first")
    waiting.join(20)
    assert not waiting.is_alive()
    assert set(restored.used()) == {"second"}


def test_what_another_process_holds_stays(room, manifest, others, blobs, tmp_path):
    """Processes share the folder: a lock tells them what is being read; a dead one holds nothing."""
    restored = room(manifest.size)
    restored.hold(manifest, blobs)
    restored.let_go("first")
    program = (
        "import sys, fcntl, os; fd = os.open(sys.argv[1], os.O_RDWR); fcntl.flock(fd, fcntl.LOCK_SH);"
        "print(flush=True); sys.stdin.read()"
    )
    lock = tmp_path / "cache/.held/first"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        with pytest.raises(CacheFull):
            restored.hold(others("second"), blobs)
        other.kill()
        other.wait()
    restored.hold(others("second"), blobs)
    assert set(restored.used()) == {"second"}


def test_many_who_ask_at_once_restore_it_once(room, manifest, blobs, monkeypatch):
    """Eight threads, one restoration."""
    restored, done = room(), []
    real = archive.restore

    def counted(*args, **more):
        done.append(1)
        return real(*args, **more)

    monkeypatch.setattr("emeritus.archive.restored.restore", counted)
    threads = [threading.Thread(target=restored.hold, args=(manifest, blobs)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    restored.vouch("first")
    assert len(done) == 1


def test_two_that_come_at_once_do_not_exceed_the_budget(room, manifest, others, blobs, monkeypatch):
    """What is still on its way counts whole, so that the second finds no room while the first is restored."""
    restored = room(manifest.size + manifest.size // 2)
    entered, go = threading.Event(), threading.Event()
    real = archive.restore

    def slow(*args, **more):
        entered.set()
        assert go.wait(10)
        return real(*args, **more)

    monkeypatch.setattr("emeritus.archive.restored.restore", slow)
    first = threading.Thread(target=restored.hold, args=(manifest, blobs))
    first.start()
    assert entered.wait(10)
    with pytest.raises(CacheFull):
        restored.hold(others("second"), blobs)
    go.set()
    first.join()
    assert restored.used() == {"first": manifest.size}


def test_letting_go_of_what_is_not_held_is_fine(room):
    """A loader that failed before it held anything may say so all the same."""
    room().let_go("nothing")
    room().vouch("nothing")
    assert room().used() == {}


def test_a_folder_of_files_is_held_whole(room, model_folder, blobs):
    """Shards and configuration are one model."""
    manifest = archive.ingest(archive.inspect(model_folder), "folder", blobs, sign=sign).manifest
    restored = room()
    places = restored.hold(manifest, blobs)
    assert len(places) == len(manifest.files) > 1
    assert all(Path(path).is_file() for path in places)
    assert restored.used() == {"folder": manifest.size}
