"""Blobs as files below a folder."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from emeritus.archive.drafts import (
    Draft,
    disk_errors,
    is_regular,
    publish_together,
    read_exactly,
    remove,
    sweep,
    sync_together,
)
from emeritus.archive.errors import StoreFailed
from emeritus.archive.ports import Bytes, Check, Put, blob_path
from emeritus.store.blobs.faults import missing

_PIECE = 4 << 20
_DRAFTS = ".drafts"
_OPEN = 64  # drafts held open at a time
_SHORT = 512 << 10


class FolderBlobs:
    """Blobs as files below *root*; each is synced, with its folder, before it counts as stored."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put_if_absent(self, path: str, chunks: Iterable[Bytes], *, check: Check | None = None) -> bool:
        return not self.exists(path) and self._put(path, chunks, check, replace=False)

    def replace(self, path: str, chunks: Iterable[Bytes], *, check: Check | None = None) -> None:
        self._put(path, chunks, check, replace=True)

    def put_together(self, puts: Sequence[Put]) -> list[bool]:
        new = [False] * len(puts)
        for start in range(0, len(puts), _OPEN):
            wanted = [
                (number, put)
                for number, put in enumerate(puts[start : start + _OPEN], start)
                if put.replace or not self.exists(put.path)
            ]
            with ExitStack() as stack:
                drafts = []
                for _, put in wanted:
                    draft = stack.enter_context(Draft(self.root / _DRAFTS, f"the blob {put.path}"))
                    for chunk in _joined(put.chunks):
                        draft.write(chunk)
                    drafts.append(draft)
                sync_together(drafts)
                for draft, (_, put) in zip(drafts, wanted, strict=True):
                    if put.check is not None:
                        put.check(draft.read, draft.size)
                places = [
                    (draft, self._at(put.path), put.replace)
                    for draft, (_, put) in zip(drafts, wanted, strict=True)
                ]
                for (number, _), is_new in zip(wanted, publish_together(places), strict=True):
                    new[number] = is_new
        return new

    def delete(self, path: str) -> bool:
        return remove(self._at(path))

    def get(self, path: str) -> Iterator[bytes]:
        with self._open(path) as fd:
            size = os.fstat(fd).st_size
            for start in range(0, size, _PIECE):
                yield read_exactly(fd, start, min(start + _PIECE, size), f"the blob {path}")

    def get_range(self, path: str, start: int, end: int) -> bytes:
        with self._open(path) as fd:
            return read_exactly(fd, start, end, f"the blob {path}")

    def peek(self, path: str, length: int) -> tuple[bytes, int]:
        with self._open(path) as fd:
            size = os.fstat(fd).st_size
            return read_exactly(fd, 0, min(length, size), f"the blob {path}"), size

    def size(self, path: str) -> int:
        with self._open(path) as fd:
            return os.fstat(fd).st_size

    def exists(self, path: str) -> bool:
        with disk_errors(f"the blob {path}"):
            return is_regular(f"{self.root}/{blob_path(path)}")

    def list(self, prefix: str = "") -> Iterator[str]:
        top = self._at(prefix) if prefix else self.root
        found = []
        for folder, folders, files in os.walk(top):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += [Path(folder, name).relative_to(self.root).as_posix() for name in files]
        yield from sorted(found)

    def sweep(self) -> int:
        return sweep(self.root / _DRAFTS)

    def _put(self, path: str, chunks: Iterable[Bytes], check: Check | None, *, replace: bool) -> bool:
        final = self._at(path)
        with Draft(self.root / _DRAFTS, f"the blob {path}") as draft:
            for chunk in _joined(chunks):
                draft.write(chunk)
            draft.sync()
            if check is not None:
                check(draft.read, draft.size)
            return draft.publish(final, replace=replace)

    def _at(self, path: str) -> Path:
        return self.root / blob_path(path)

    @contextmanager
    def _open(self, path: str) -> Iterator[int]:
        try:
            # no Path: this is called for every piece that is read
            fd = os.open(
                f"{self.root}/{blob_path(path)}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            )
        except FileNotFoundError:
            raise missing(path) from None
        except OSError as why:
            raise StoreFailed(
                f"The blob {path} cannot be opened: {why.strerror}.",
                next_step="Check the permissions of the archive's folder.",
            ) from why
        try:
            yield fd
        finally:
            os.close(fd)


def _joined(chunks: Iterable[Bytes]) -> Iterator[Bytes]:
    """Yield what *chunks* hold, short ones together: to write is to wait, even if only for other threads."""
    short: list[Bytes] = []
    size = 0
    for chunk in chunks:
        if size + len(chunk) > _SHORT:
            yield from short
            short, size = [], 0
        short.append(chunk)
        size += len(chunk)
    yield b"".join(short)
