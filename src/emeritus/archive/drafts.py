"""A file on disk that gets its name only when it is whole and safe.

A draft is written beside its place under a hidden name, synced, read back if wanted, and then linked
to its name. Its writer holds a lock on it, so that what a dead writer left can be told from what a
living one is still writing.
"""

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from emeritus.archive.errors import BlobUnreadable, DiskFull, StoreFailed
from emeritus.archive.ports import Bytes
from emeritus.archive.several import several

_PREFIX, _SUFFIX = ".emeritus-", ".draft"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class disk_errors:  # noqa: N801 - is used as a function
    """Turn what the operating system says about *what* into errors that a person can act on."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(why, OSError):
            return
        if why.errno in _FULL:
            raise DiskFull(
                f"There is no space left to write {self._what}.",
                next_step="Free some space (or raise the quota) and run the same command again; "
                "it continues where it stopped.",
            ) from why
        raise StoreFailed(
            f"The disk refused to work on {self._what}: {why.strerror}.",
            next_step="Check that the folder exists and may be written, then run the same command again.",
        ) from why


def read_exactly(fd: int, start: int, end: int, what: str) -> bytes:
    """Return the bytes of *fd* from *start* up to *end*; BlobUnreadable when they cannot be had."""
    pieces = []
    at = start
    while at < end:
        try:
            piece = os.pread(fd, end - at, at)
        except OSError as why:
            raise BlobUnreadable(
                f"The disk cannot read {what} at byte {at}: {why.strerror}.",
                next_step="Check the disk, and repair the file from a replica.",
            ) from why
        if not piece:
            raise BlobUnreadable(
                f"{what} ends after {at} bytes, before byte {end}.",
                next_step="Repair it from a replica, or archive the model again.",
            )
        pieces.append(piece)
        at += len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def make_folder(folder: Path) -> None:
    """Create *folder* and what is above it, so that they survive a power cut."""
    _make_folders({folder})


def _make_folders(folders: Iterable[Path]) -> None:
    touched: dict[Path, None] = {}
    for folder in folders:
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent  # noqa: PLW2901
        for new in reversed(missing):
            new.mkdir(exist_ok=True)
            touched[new.parent] = None
    for parent in touched:
        _sync_folder(parent)


def sweep(folder: Path) -> int:
    """Remove the drafts in *folder* whose writers are gone; return how many."""
    removed = 0
    if not folder.is_dir():
        return removed
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        try:
            fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            removed += 1
        except OSError:
            continue  # its writer lives, or another sweeper was faster
        finally:
            os.close(fd)
    return removed


class Draft:
    """A draft in *folder*; leaving the ``with`` block without `publish` leaves nothing behind."""

    def __init__(self, folder: Path, what: str) -> None:
        self._folder = folder
        self._what = what
        self.size = 0

    def __enter__(self) -> Self:
        with disk_errors(self._what):
            try:
                self._fd, self._path = _locked_file(self._folder)
            except FileNotFoundError:
                make_folder(self._folder)
                self._fd, self._path = _locked_file(self._folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._fd)

    def reserve(self, size: int) -> None:
        """Make the draft as long as it is going to be, so that whoever counts bytes sees all of it."""
        with disk_errors(self._what):
            os.ftruncate(self._fd, size)

    def write(self, data: Bytes) -> None:
        view = memoryview(data)
        with disk_errors(self._what):
            while view:
                done = os.write(self._fd, view)
                self.size += done
                view = view[done:]

    def write_at(self, at: int, data: Bytes) -> None:
        """Write *data* at its place, from any thread."""
        view = memoryview(data)
        with disk_errors(self._what):
            while view:
                done = os.pwrite(self._fd, view, at)
                at += done
                view = view[done:]

    def sync(self, *, forget: bool = True) -> None:
        """Wait until the disk has everything, and *forget* the cached copy, so that `read` asks the disk."""
        with disk_errors(self._what):
            os.fsync(self._fd)
            if forget and hasattr(os, "posix_fadvise"):
                os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def read(self, start: int, end: int) -> bytes:
        return read_exactly(self._fd, start, end, self._what)

    def publish(self, path: Path, *, replace: bool = False) -> bool:
        """Give the synced draft its name; False when there is something already (and no *replace*)."""
        (new,) = publish_together([(self, path, replace)])
        return new

    def name(self, path: Path, *, replace: bool) -> bool | None:
        """Give the draft its name, which a power cut may still take away: `publish_together` does it all.

        Tell whether it is new; None when there is no folder to put it into.
        """
        with disk_errors(self._what):
            try:
                if replace:
                    self._path.rename(path)
                    return True
                return _link(self._path, path)
            except FileNotFoundError:
                return None


def sync_together(drafts: Sequence[Draft]) -> None:
    """Sync all *drafts*, several at a time where the disk takes long, so that it may do them at once."""
    for _ in several(Draft.sync, drafts):
        pass


def publish_together(drafts: Sequence[tuple[Draft, Path, bool]]) -> list[bool]:
    """Give synced drafts their names (path, whether to replace); tell which are new. Folders are synced once."""
    found = [draft.name(path, replace=replace) for draft, path, replace in drafts]
    if None in found:
        with disk_errors("the folders of the archive"):
            _make_folders(
                {path.parent for (_, path, _), new in zip(drafts, found, strict=True) if new is None}
            )
        found = [
            draft.name(path, replace=replace) if new is None else new
            for (draft, path, replace), new in zip(drafts, found, strict=True)
        ]
    if None in found:
        raise StoreFailed(
            "A folder of the archive, or a draft in it, was taken away while it was written to.",
            next_step="Let nothing else remove files there, then run the same command again.",
        )
    with disk_errors("the folders of the archive"):
        for folder in {path.parent for (_, path, _), new in zip(drafts, found, strict=True) if new}:
            _sync_folder(folder)
    return [bool(new) for new in found]


def _locked_file(folder: Path) -> tuple[int, Path]:
    while True:
        path = folder / f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # a sweeper took it between the two calls
            os.close(fd)
            continue
        except OSError as why:
            if why.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
                os.close(fd)
                raise
        if os.fstat(fd).st_nlink:
            return fd, path
        os.close(fd)


def _link(draft: Path, path: Path) -> bool:
    try:
        os.link(draft, path, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as why:
        if why.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        if path.exists() or path.is_symlink():  # a file system without hard links
            return False
        draft.rename(path)
    return True


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as why:
        if why.errno not in (errno.EINVAL, errno.EBADF):  # some file systems cannot sync a folder
            raise
    finally:
        os.close(fd)


def remove(path: Path) -> bool:
    """Remove a file for good; False when there is none."""
    with disk_errors(str(path)):
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        _sync_folder(path.parent)
    return True


def is_regular(path: Path | str) -> bool:
    """Tell whether *path* itself (not what a link points to) is a regular file."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False
