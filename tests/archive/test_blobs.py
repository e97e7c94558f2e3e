"""Every blob store keeps the same promises."""

import errno
import fcntl
import os
import threading
from pathlib import Path

import pytest

from emeritus.archive import BlobMissing, BlobUnreadable
from emeritus.archive.drafts import Draft
from emeritus.archive.ports import Put
from emeritus.core.errors import InvalidInput
from emeritus.store.blobs import FolderBlobs, ObjectStoreBlobs, open_blobs


def test_what_is_put_comes_back(any_blobs):
    """A blob reads back whole and in ranges, and its size is known."""
    assert any_blobs.put_if_absent("a/b", [b"hello ", bytearray(b"world"), memoryview(b"!")])
    assert b"".join(any_blobs.get("a/b")) == b"hello world!"
    assert any_blobs.get_range("a/b", 6, 11) == b"world"
    assert any_blobs.get_range("a/b", 3, 3) == b""
    assert any_blobs.size("a/b") == 12
    assert any_blobs.exists("a/b")


def test_the_first_writer_wins(any_blobs):
    """What is stored stays; a second put says so and changes nothing."""
    assert any_blobs.put_if_absent("x", [b"first"]) is True
    assert any_blobs.put_if_absent("x", [b"second"]) is False
    assert b"".join(any_blobs.get("x")) == b"first"


def test_replace_puts_new_bytes_in_place(any_blobs):
    any_blobs.put_if_absent("x", [b"damaged"])
    any_blobs.replace("x", [b"sound"])
    assert b"".join(any_blobs.get("x")) == b"sound"


def test_an_empty_blob_is_a_blob(any_blobs):
    any_blobs.put_if_absent("empty", [])
    assert any_blobs.size("empty") == 0
    assert b"".join(any_blobs.get("empty")) == b""


def test_large_blobs_stream(any_blobs):
    """Pieces beyond one upload part arrive in order."""
    pieces = [bytes([n]) * 3_000_000 for n in range(5)]
    any_blobs.put_if_absent("large", iter(pieces))
    assert b"".join(any_blobs.get("large")) == b"".join(pieces)
    assert any_blobs.get_range("large", 2_999_999, 3_000_001) == b"\x00\x01"


def test_missing_is_named(any_blobs):
    for ask in (
        any_blobs.size,
        lambda path: list(any_blobs.get(path)),
        lambda path: any_blobs.get_range(path, 0, 1),
    ):
        with pytest.raises(BlobMissing, match="no/such"):
            ask("no/such")
    assert not any_blobs.exists("no/such")


def test_a_range_beyond_the_end_is_unreadable(any_blobs):
    """Fewer bytes than asked for are never given out as if they were all."""
    any_blobs.put_if_absent("x", [b"abc"])
    for start, end in ((0, 4), (3, 4), (5, 9)):
        with pytest.raises(BlobUnreadable):
            any_blobs.get_range("x", start, end)


def test_the_check_sees_what_is_stored_before_it_is_visible(any_blobs):
    seen = []

    def check(read, size):
        seen.append((read(0, size), any_blobs.exists("x"), list(any_blobs.list())))

    any_blobs.put_if_absent("x", [b"ab", b"cd"], check=check)
    assert seen == [(b"abcd", False, [])]


@pytest.mark.parametrize("fails", ["check", "chunks"])
def test_nothing_is_kept_of_a_put_that_fails(any_blobs, fails):
    """An error of the writer or of the check leaves no blob and reaches the caller as it is."""

    class Oops(Exception):
        pass

    def chunks():
        yield b"x" * 6_000_000
        if fails == "chunks":
            raise Oops

    def check(read, size):
        raise Oops

    with pytest.raises(Oops):
        any_blobs.put_if_absent("x", chunks(), check=check)
    assert not any_blobs.exists("x")
    assert list(any_blobs.list()) == []


def test_several_blobs_together(any_blobs):
    """Each is stored as if it came alone: the first writer wins, a repair replaces, checks look first."""
    any_blobs.put_if_absent("a/old", [b"first"])
    any_blobs.put_if_absent("a/bad", [b"damaged"])
    seen = []

    def check(read, size):
        seen.append((read(0, size), any_blobs.exists("b/new")))

    puts = [
        Put("a/old", [b"second"]),
        Put("a/bad", [b"sound"], replace=True),
        Put("b/new", [b"n", b"ew"], check=check),
        *(Put(f"c/{n}", [b"%d" % n]) for n in range(200)),
    ]
    assert any_blobs.put_together(puts) == [False] + [True] * 202
    assert seen == [(b"new", False)]
    held = {path: b"".join(any_blobs.get(path)) for path in any_blobs.list()}
    assert held == {"a/old": b"first", "a/bad": b"sound", "b/new": b"new"} | {
        f"c/{n}": b"%d" % n for n in range(200)
    }
    assert any_blobs.put_together(puts[2:]) == [False] * 201
    assert any_blobs.put_together([]) == []


@pytest.mark.parametrize("fails", ["check", "chunks"])
def test_together_keeps_nothing_of_what_fails(any_blobs, fails):
    """The error reaches the caller as it is; what failed is not there, and others are whole or not there."""

    class Oops(Exception):
        pass

    def chunks():
        yield b"x" * 1000
        if fails == "chunks":
            raise Oops

    def check(read, size):
        if fails == "check":
            raise Oops

    with pytest.raises(Oops):
        any_blobs.put_together([Put("a", [b"a"]), Put("x", chunks(), check=check), Put("b", [b"b"])])
    assert not any_blobs.exists("x")
    assert all(b"".join(any_blobs.get(path)) == path.encode() for path in any_blobs.list())


def test_a_peek_gives_the_beginning_and_the_size(any_blobs):
    any_blobs.put_if_absent("x", [b"0123456789"])
    any_blobs.put_if_absent("empty", [])
    assert any_blobs.peek("x", 4) == (b"0123", 10)
    assert any_blobs.peek("x", 10) == any_blobs.peek("x", 99) == (b"0123456789", 10)
    assert any_blobs.peek("x", 0) == (b"", 10)
    assert any_blobs.peek("empty", 9) == (b"", 0)
    with pytest.raises(BlobMissing, match="no/such"):
        any_blobs.peek("no/such", 5)


def test_what_is_deleted_is_gone(any_blobs):
    any_blobs.put_if_absent("a/x", [b"x"])
    assert any_blobs.delete("a/x")
    assert not any_blobs.exists("a/x")
    assert not any_blobs.delete("a/x")
    assert any_blobs.put_if_absent("a/x", [b"again"])


def test_list_is_sorted_and_by_whole_segments(any_blobs):
    for path in ("b/2", "a/1", "ab/3", "a/0/x"):
        any_blobs.put_if_absent(path, [b"-"])
    assert list(any_blobs.list()) == ["a/0/x", "a/1", "ab/3", "b/2"]
    assert list(any_blobs.list("a")) == ["a/0/x", "a/1"]
    assert list(any_blobs.list("zzz")) == []


@pytest.mark.parametrize(
    "path", ["../x", "/x", "a//b", "", ".hidden", "a/../b", "A", "a b", "x" * 600, "a\n"]
)
def test_unsafe_paths_are_refused(any_blobs, path):
    for ask in (any_blobs.exists, any_blobs.size, lambda p: any_blobs.put_if_absent(p, [b"x"])):
        with pytest.raises(InvalidInput):
            ask(path)


def test_racing_writers_leave_one_blob(any_blobs):
    """Of several writers at once all return, and at least one of them put the blob."""
    start = threading.Barrier(6)
    won = []

    def put():
        start.wait()
        won.append(any_blobs.put_if_absent("same", [b"s" * 100_000]))

    threads = [threading.Thread(target=put) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 6
    assert any(won)
    assert any_blobs.size("same") == 100_000
    assert list(any_blobs.list()) == ["same"]


def test_sweep_takes_what_dead_writers_left_and_nothing_else(folder_blobs):
    """A draft that nobody holds any more goes; one that is being written stays."""
    folder_blobs.put_if_absent("x", [b"kept"])
    drafts = folder_blobs.root / ".drafts"
    (drafts / ".emeritus-0000000000000000.draft").write_bytes(b"left behind")
    with Draft(drafts, "a blob") as living:
        living.write(b"being written")
        assert folder_blobs.sweep() == 1
        living.sync()
        assert living.publish(folder_blobs.root / "y")
    assert sorted(folder_blobs.list()) == ["x", "y"]
    assert list(drafts.iterdir()) == []


def test_a_blob_that_is_a_link_is_not_followed(folder_blobs, tmp_path):
    """Nobody can make the store read a file outside it by planting a link."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    folder_blobs.put_if_absent("x", [b"kept"])
    (folder_blobs.root / "planted").symlink_to(secret)
    assert not folder_blobs.exists("planted")
    with pytest.raises(Exception, match="planted"):
        folder_blobs.size("planted")


def test_where_a_store_lies(tmp_path):
    assert isinstance(open_blobs(tmp_path), FolderBlobs)
    assert isinstance(open_blobs("s3://bucket/prefix"), ObjectStoreBlobs)
    with pytest.raises(InvalidInput, match="ftp"):
        open_blobs("ftp://somewhere")


def test_a_store_below_a_file_says_so(tmp_path):
    from emeritus.archive import StoreFailed

    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFailed):
        FolderBlobs(Path(tmp_path / "file")).put_if_absent("x", [b"x"])


def test_a_disk_without_hard_links(folder_blobs, monkeypatch):
    """Some file systems have none: a rename does instead, and what is stored stays."""

    def no_links(*args, **options):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    assert folder_blobs.put_if_absent("a/b", [b"first"])
    assert not folder_blobs.put_if_absent("a/b", [b"second"])
    with Draft(folder_blobs.root / ".drafts", "x") as late:
        late.sync()
        assert not late.publish(folder_blobs.root / "a" / "b")
    assert b"".join(folder_blobs.get("a/b")) == b"first"
    assert list((folder_blobs.root / ".drafts").iterdir()) == []


def test_a_sweeper_that_comes_between(tmp_path, monkeypatch):
    """A sweeper may take a draft in the instant before its writer locks it: the writer begins again."""
    real_lock, taken = fcntl.flock, []

    def lock(fd, how):
        if not taken:
            taken.append(True)
            (left,) = tmp_path.glob("*.draft")
            left.unlink()
        real_lock(fd, how)

    monkeypatch.setattr(fcntl, "flock", lock)
    with Draft(tmp_path, "x") as draft:
        draft.write(b"x")
        draft.sync()
        assert draft.publish(tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"x"
