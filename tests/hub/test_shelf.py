"""The shelf: a budget that holds, readers that are never cut off, nothing half-written, nothing decayed."""

import fcntl
import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emeritus.archive.shelf import PIECE, Shelf, ShelfDamaged, footprint


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def put(shelf: Shelf, data: bytes, step: int = 700_001) -> bool:
    """Put a file on the shelf in pieces; tell whether there was room."""
    place = shelf.room_for(sha(data), len(data))
    if place is None:
        return False
    for start in range(0, len(data), step):
        place.write(data[start : start + step])
    place.publish()
    return True


def read(shelf: Shelf, data: bytes, start: int = 0, end: int | None = None) -> bytes | None:
    book = shelf.take(sha(data), len(data))
    if book is None:
        return None
    with book:
        return b"".join(book.read(start, len(data) if end is None else end))


def names(shelf: Shelf) -> set[str]:
    return {entry.name for entry in os.scandir(shelf.folder)} - {".lock"}


def some(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def age(shelf: Shelf, *files: bytes) -> None:
    """Make *files* last used long ago, the first of them longest."""
    for number, data in enumerate(files):
        os.utime(shelf.folder / sha(data), (number + 1, number + 1))


@pytest.mark.parametrize("size", [0, 1, 1000, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE + 5])
def test_what_is_put_is_what_is_read(shelf, size):
    """Files of every length come back, whole and in part."""
    data = some(size)
    assert read(shelf, data) is None
    assert put(shelf, data)
    assert read(shelf, data) == data
    assert read(shelf, data, size // 3, size // 2) == data[size // 3 : size // 2]
    assert shelf.used() == footprint(size)
    assert not put(shelf, data)  # it is here: no need


@settings(max_examples=40)
@given(cuts=st.tuples(st.integers(0, 2 * PIECE + 99), st.integers(0, 2 * PIECE + 99)))
def test_any_part(tmp_path_factory, cuts):
    """Reading a part is slicing."""
    start, end = sorted(cuts)
    data = some(2 * PIECE + 99)
    shelf = Shelf(tmp_path_factory.getbasetemp() / "any-part", 1 << 24)
    put(shelf, data)
    assert read(shelf, data, start, end) == data[start:end]


def test_the_budget_holds_and_the_longest_unused_goes_first(tmp_path):
    """Room is made by what was read longest ago; what cannot fit is not kept; 0 keeps nothing."""
    one, two, three = (some(1000, seed) for seed in (1, 2, 3))
    shelf = Shelf(tmp_path, 2 * footprint(1000))
    put(shelf, one)
    put(shelf, two)
    age(shelf, one, two)
    assert read(shelf, one) == one  # used now
    assert put(shelf, three)
    assert names(shelf) == {sha(one), sha(three)}
    assert not put(shelf, some(3000))
    assert shelf.used() <= shelf.budget
    assert not put(Shelf(tmp_path / "none", 0), one)


def test_what_is_being_read_stays(tmp_path):
    """A file in somebody's hands is not removed to make room; then there is none."""
    one, two = some(1000, 1), some(1000, 2)
    shelf = Shelf(tmp_path, footprint(1000))
    put(shelf, one)
    book = shelf.take(sha(one), len(one))
    assert not put(Shelf(tmp_path, shelf.budget), two)
    with book:
        assert b"".join(book.read(0, 1000)) == one
    assert put(shelf, two)
    assert names(shelf) == {sha(two)}


def test_what_is_being_written_counts_whole(tmp_path):
    """A file that is being written takes its room from the beginning, is not seen, and leaves nothing behind."""
    one, two = some(3000, 1), some(1000, 2)
    shelf = Shelf(tmp_path, footprint(3000) + 10)
    place = shelf.room_for(sha(one), len(one))
    place.write(one[:10])
    assert shelf.used() == footprint(3000)
    assert read(shelf, one) is None
    assert not put(Shelf(tmp_path, shelf.budget), two)
    assert shelf.room_for(sha(one), len(one)) is None  # one writer is enough
    place.close()
    assert names(shelf) == set()
    assert put(shelf, one)


@pytest.mark.parametrize("where", [0, PIECE - 1, PIECE + 17, -1, -20, -40])
def test_decay_is_found(shelf, where):
    """A bit that flips on the shelf is found before its piece is given out, and the file is thrown away."""
    data = some(2 * PIECE)
    put(shelf, data)
    path = shelf.folder / sha(data)
    stored = bytearray(path.read_bytes())
    stored[where] ^= 4
    path.write_bytes(stored)
    book = shelf.take(sha(data), len(data))
    if book is not None:
        got: list[bytes] = []
        with book, pytest.raises(ShelfDamaged):
            got.extend(book.read(0, len(data)))
        assert got in ([], [data[:PIECE]])
        book.discard()
    assert names(shelf) == set()


@pytest.mark.parametrize("keep", [0, 100, PIECE, 2 * PIECE - 1])
def test_a_file_that_is_cut_off(shelf, keep):
    """What a power cut leaves of a file is not served."""
    data = some(2 * PIECE)
    put(shelf, data)
    os.truncate(shelf.folder / sha(data), keep)
    assert read(shelf, data) is None
    assert names(shelf) == set()


def test_another_file_under_its_name(shelf, tmp_path):
    """Links and folders on the shelf are left alone."""
    data = some(10)
    shelf.folder.mkdir()
    (tmp_path / "secret").write_bytes(data)
    (shelf.folder / sha(data)).symlink_to(tmp_path / "secret")
    assert read(shelf, data) is None
    assert not put(shelf, data)
    (shelf.folder / sha(b"x")).mkdir()
    assert read(shelf, b"x") is None
    assert (tmp_path / "secret").read_bytes() == data


def test_forgotten(shelf):
    """A file can be taken away at once; whoever reads it keeps reading."""
    data = some(PIECE + 1)
    put(shelf, data)
    with shelf.take(sha(data), len(data)) as book:
        assert shelf.forget(sha(data))
        assert b"".join(book.read(0, len(data))) == data
    assert read(shelf, data) is None
    assert not shelf.forget(sha(data))


def test_a_full_disk_costs_only_the_place(shelf, monkeypatch):
    """When the disk gives up, nothing is kept, and nobody else notices."""
    data = some(10_000)
    place = shelf.room_for(sha(data), len(data))

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        place.write(data)
        place.publish()
    assert names(shelf) == set()
    assert put(shelf, data)


def test_a_folder_that_cannot_be_written(tmp_path):
    """A shelf that cannot be used keeps nothing."""
    (tmp_path / "file").write_text("in the way")
    assert not put(Shelf(tmp_path / "file", 1 << 20), b"x")


KILLED = """
import os, pathlib, signal, sys
from emeritus.archive.shelf import Shelf
folder, budget, sha, size = sys.argv[1:]
place = Shelf(pathlib.Path(folder), int(budget)).room_for(sha, int(size))
place.write(b"x" * 100)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_while_writing(tmp_path):
    """What `kill -9` leaves is never served, and is swept away by the next who needs room."""
    data = some(5000)
    shelf = Shelf(tmp_path / "shelf", footprint(5000))
    told = [str(shelf.folder), str(shelf.budget), sha(data), str(len(data))]
    done = subprocess.run([sys.executable, "-c", KILLED, *told], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(names(shelf)) == 1
    assert read(shelf, data) is None
    assert put(shelf, data)
    assert names(shelf) == {sha(data)}


def test_many_readers_and_writers_and_little_room(tmp_path):
    """Many at once on a tiny shelf, each with a shelf of its own as processes have: every byte right, the budget kept."""
    files = [some(200_000 + 1000 * seed, seed) for seed in range(6)]
    budget = 2 * footprint(206_000)
    over: list[int] = []

    def work(seed: int) -> int:
        shelf = Shelf(tmp_path, budget)
        choice = random.Random(seed)
        hits = 0
        for _ in range(60):
            data = choice.choice(files)
            got = read(shelf, data)
            if got is None:
                put(shelf, data, 50_000)
            else:
                hits += 1
                assert got == data
            if shelf.used() > budget:
                over.append(shelf.used())
        return hits

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, range(6))) > 0
    assert over == []
    assert all(not name.startswith(".emeritus") for name in names(Shelf(tmp_path, budget)))


def test_a_waiting_remover_does_not_cut_a_reader(shelf):
    """Whoever takes a file at the moment in which it is removed gets all of it, or none."""
    data = some(1000)
    put(shelf, data)
    fd = os.open(shelf.folder / sha(data), os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    got: list[bytes | None] = []
    reader = threading.Thread(target=lambda: got.append(read(shelf, data)))
    reader.start()
    (shelf.folder / sha(data)).unlink()
    os.close(fd)
    reader.join()
    assert got == [None]
