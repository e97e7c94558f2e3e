"""The shelf: whole restored files within a budget of bytes, so that what is asked for often is at hand.

Any number of processes may share its folder. A file appears when it is whole; while it is written it counts
with its full size; what is being read stays; what was read longest ago goes first. Each piece carries a
checksum, so that a disk that decays, or a power cut, costs a restoration and never a wrong byte: therefore
nothing is synced.

    [the file's bytes][16 bytes of BLAKE3 of each piece of 2 MiB][BLAKE3 of size and checksums, 32 bytes]
"""

import fcntl
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from blake3 import blake3

from emeritus.archive.drafts import Draft, disk_errors, sweep
from emeritus.archive.errors import DiskFull, StoreFailed

PIECE = 2 << 20
_CHECK = 16
_SEAL = 32
_SIZE = struct.Struct("<Q")
_LOCK = ".lock"
log = structlog.get_logger("emeritus.shelf")


class ShelfDamaged(Exception):
    """What stands on the shelf is not what was put there; never seen outside of the archive."""


def footprint(size: int) -> int:
    """Return the bytes that a file of *size* bytes takes on the shelf."""
    return size + _CHECK * -(-size // PIECE) + _SEAL


class Shelf:
    """Restored files below *folder*, by their SHA-256, of at most *budget* bytes together; 0 keeps none."""

    def __init__(self, folder: Path, budget: int) -> None:
        self.folder = folder
        self.budget = budget
        self._filling: set[str] = set()
        self._guard = threading.Lock()

    def take(self, sha256: str, size: int) -> "Book | None":
        """Return the file with this SHA-256 (hexadecimal) when it stands here, held against removal."""
        try:
            fd = os.open(self.folder / sha256, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        book = Book(self.folder / sha256, fd, size)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH)
            if not os.fstat(fd).st_nlink:  # removed between the two calls
                book.close()
                return None
            with suppress(OSError):
                os.utime(fd)
            book.open()
        except (OSError, ShelfDamaged):
            book.discard()
            book.close()
            return None
        return book

    def room_for(self, sha256: str, size: int) -> "Place | None":
        """Return a place to write that file to, after making room; None when there is none, or no need."""
        with self._guard:
            if sha256 in self._filling:
                return None
            self._filling.add(sha256)
        place = None
        try:
            place = self._place(sha256, size)
        except (DiskFull, StoreFailed, OSError) as why:
            log.warning("the shelf cannot be used", why=str(why))
        finally:
            if place is None:
                self._filled(sha256)
        return place

    def forget(self, sha256: str) -> bool:
        """Remove a file, also while it is read; tell whether it stood here."""
        try:
            (self.folder / sha256).unlink()
        except OSError:
            return False
        return True

    def used(self) -> int:
        """Return the bytes that stand here, those still being written counted whole."""
        if not self.folder.is_dir():
            return 0
        with self._locked():
            return sum(size for _, _, size in self._held())

    def _place(self, sha256: str, size: int) -> "Place | None":
        need = footprint(size)
        if need > self.budget:
            return None
        with disk_errors(str(self.folder)):
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._locked():
                if (self.folder / sha256).exists() or not self._make_room(need):
                    return None
                return Place(self, sha256, size)

    def _make_room(self, need: int) -> bool:
        sweep(self.folder)
        held = sorted(self._held(), key=lambda each: each[1])
        free = self.budget - sum(size for _, _, size in held)
        for path, _, size in held:
            if free >= need:
                break
            if not path.name.startswith(".") and _remove_unread(path):
                free += size
        return free >= need

    def _held(self) -> list[tuple[Path, int, int]]:
        """Return path, time of last use and size of everything here, drafts included.

        A file that is just being published has two names for a moment, and counts once.
        """
        found = {}
        with suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name != _LOCK:
                    with suppress(FileNotFoundError):
                        facts = entry.stat(follow_symlinks=False)
                        found[facts.st_ino] = (Path(entry.path), facts.st_mtime_ns, facts.st_size)
        return list(found.values())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time makes room, so that together they keep the budget."""
        fd = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _filled(self, sha256: str) -> None:
        with self._guard:
            self._filling.discard(sha256)


class Book:
    """A file on the shelf, held open; it stays whole for its reader even when it is removed meanwhile."""

    def __init__(self, path: Path, fd: int, size: int) -> None:
        self._path = path
        self._fd = fd
        self._size = size
        self._checks = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Read the checksums. Raises ShelfDamaged."""
        if os.fstat(self._fd).st_size != footprint(self._size):
            raise ShelfDamaged
        tail = _pread(self._fd, self._size, footprint(self._size))
        self._checks = tail[:-_SEAL]
        if _seal(self._size, self._checks) != tail[-_SEAL:]:
            raise ShelfDamaged

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """Yield these bytes piece by piece, each compared with its checksum. Raises ShelfDamaged."""
        for number in range(start // PIECE, -(-end // PIECE) if end > start else 0):
            at = number * PIECE
            piece = _pread(self._fd, at, min(at + PIECE, self._size))
            if blake3(piece).digest(_CHECK) != self._checks[number * _CHECK : (number + 1) * _CHECK]:
                raise ShelfDamaged
            low, high = max(0, start - at), min(len(piece), end - at)
            yield piece if (low, high) == (0, len(piece)) else piece[low:high]

    def discard(self) -> None:
        """Take it off the shelf: it is damaged."""
        log.warning("a restored file on the shelf was damaged and is thrown away", file=self._path.name)
        with suppress(OSError):
            self._path.unlink()

    def close(self) -> None:
        os.close(self._fd)


class Place:
    """Where a file is being written to; it appears on the shelf with `publish`, or never."""

    def __init__(self, shelf: Shelf, sha256: str, size: int) -> None:
        self._shelf = shelf
        self._sha256 = sha256
        self._size = size
        self._stack = ExitStack()
        self._draft: Draft | None = self._stack.enter_context(
            Draft(shelf.folder, f"the shelf {shelf.folder}")
        )
        self._draft.reserve(footprint(size))
        self._hasher = blake3()
        self._left = PIECE
        self._checks = bytearray()

    def write(self, data: bytes) -> None:
        """Add what comes next. A disk that gives up costs the place, nothing else."""
        if self._draft is None:
            return
        view = memoryview(data)
        try:
            self._draft.write(view)
        except (DiskFull, StoreFailed) as why:
            log.warning("the shelf cannot be used", why=str(why))
            self.close()
            return
        while view:
            part, view = view[: self._left], view[self._left :]
            self._hasher.update(part)
            self._left -= len(part)
            if not self._left:
                self._next_piece()

    def publish(self) -> None:
        """Put the whole file on the shelf."""
        if self._left < PIECE:
            self._next_piece()
        if self._draft is None:
            return
        checks = bytes(self._checks)
        # Whoever counts meanwhile might see neither name: a folder is not read all at once.
        with suppress(DiskFull, StoreFailed, OSError), self._shelf._locked():  # noqa: SLF001
            self._draft.write(checks + _seal(self._size, checks))
            self._draft.publish(self._shelf.folder / self._sha256)
            self.close()
        self.close()

    def close(self) -> None:
        """Let go of it; unless it was published, nothing stays."""
        if self._draft is not None:
            self._stack.close()
            self._draft = None
            self._shelf._filled(self._sha256)  # noqa: SLF001

    def _next_piece(self) -> None:
        self._checks += self._hasher.digest(_CHECK)
        self._hasher = blake3()
        self._left = PIECE


def _seal(size: int, checks: bytes) -> bytes:
    return blake3(_SIZE.pack(size) + checks).digest()


def _pread(fd: int, start: int, end: int) -> bytes:
    data = os.pread(fd, end - start, start)
    while len(data) < end - start:
        try:
            more = os.pread(fd, end - start - len(data), start + len(data))
        except OSError:
            raise ShelfDamaged from None
        if not more:
            raise ShelfDamaged
        data += more
    return data


def _remove_unread(path: Path) -> bool:
    """Remove a file that nobody reads; tell whether it is gone."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
