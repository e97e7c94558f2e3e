"""Where the archive's blobs lie: a folder, or an object store (S3, Google Cloud Storage, Azure).

The folder adapter is our own: obstore's ``LocalStore`` renames into place but never syncs, so that a
power cut can lose what it acknowledged. Object stores go through obstore.
"""

import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import MemoryStore, ObjectStore, from_url

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
from emeritus.archive.errors import BlobMissing, BlobUnreadable, StoreFailed
from emeritus.archive.ports import Blobs, Bytes, Check, Put, blob_path
from emeritus.core.errors import InvalidInput

_PIECE = 4 << 20
_DRAFTS = ".drafts"
_TEMPORARY = "tmp"
_OPEN = 64  # drafts held open at a time
_REQUESTS = 8  # requests under way at a time
_ABANDONED = timedelta(days=2)


def open_blobs(where: str | Path) -> Blobs:
    """Return the store at *where*: a folder, or an ``s3://``, ``gs://`` or ``az://`` URL.

    Credentials come from the environment, as the providers' own tools read them.

    Raises:
        InvalidInput: for a URL of another kind, or one that cannot be used.
    """
    text = str(where)
    scheme, parted, _ = text.partition("://")
    if not parted:
        return FolderBlobs(Path(text))
    if scheme not in ("s3", "gs", "az"):
        raise InvalidInput(
            f"The archive cannot lie at a {scheme!r} address.",
            next_step="Give a folder, or an s3://, gs:// or az:// URL.",
        )
    try:
        return ObjectStoreBlobs(from_url(text))
    except (BaseError, ValueError) as why:
        raise InvalidInput(
            f"The object store {scheme}:// cannot be opened: {_brief(why)}.",
            next_step="Check the URL and the credentials in the environment.",
        ) from why


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
                    for chunk in put.chunks:
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
            return is_regular(self._at(path))

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
            for chunk in chunks:
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
            fd = os.open(self._at(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            raise _missing(path) from None
        except OSError as why:
            raise StoreFailed(
                f"The blob {path} cannot be opened: {why.strerror}.",
                next_step="Check the permissions of the archive's folder.",
            ) from why
        try:
            yield fd
        finally:
            os.close(fd)


class ObjectStoreBlobs:
    """Blobs in an object store. A blob is uploaded under a temporary key, read back, then copied."""

    def __init__(self, store: ObjectStore | None = None) -> None:
        self.store = store if store is not None else MemoryStore()

    def put_if_absent(self, path: str, chunks: Iterable[Bytes], *, check: Check | None = None) -> bool:
        if self.exists(path):
            return False
        self._put(path, chunks, check)
        return True

    def replace(self, path: str, chunks: Iterable[Bytes], *, check: Check | None = None) -> None:
        self._put(blob_path(path), chunks, check)

    def put_together(self, puts: Sequence[Put]) -> list[bool]:
        with ThreadPoolExecutor(_REQUESTS, thread_name_prefix="archive-puts") as pool:
            return list(pool.map(self._put_one, puts))

    def delete(self, path: str) -> bool:
        if not self.exists(path):
            return False
        with _failures(path), suppress(FileNotFoundError):
            obstore.delete(self.store, path)
        return True

    def get(self, path: str) -> Iterator[bytes]:
        with _failures(path):
            for piece in obstore.get(self.store, blob_path(path)).stream(_PIECE):
                yield bytes(piece)

    def get_range(self, path: str, start: int, end: int) -> bytes:
        if start == end:
            return b""
        try:
            with _failures(path):
                data = bytes(obstore.get_range(self.store, blob_path(path), start=start, end=end))
        except StoreFailed:
            if end <= self.size(path):
                raise
            data = b""
        if len(data) != end - start:
            raise BlobUnreadable(
                f"The blob {path} ends before byte {end}.",
                next_step="Repair it from a replica, or archive the model again.",
            )
        return data

    def peek(self, path: str, length: int) -> tuple[bytes, int]:
        try:
            with _failures(path):
                result = obstore.get(self.store, blob_path(path), options={"range": (0, max(1, length))})
                first, size = bytes(result.bytes()), int(result.meta["size"])
        except StoreFailed:
            if self.size(path):  # a store may refuse a range of an empty blob
                raise
            return b"", 0
        return first[:length], size

    def size(self, path: str) -> int:
        with _failures(path):
            return int(obstore.head(self.store, blob_path(path))["size"])

    def exists(self, path: str) -> bool:
        try:
            self.size(path)
        except BlobMissing:
            return False
        return True

    def list(self, prefix: str = "") -> Iterator[str]:
        with _failures(prefix):
            listed = obstore.list(self.store, prefix=blob_path(prefix) if prefix else None)
            found = [meta["path"] for batch in listed for meta in batch]
        yield from sorted(path for path in found if not path.startswith(_TEMPORARY + "/"))

    def sweep(self) -> int:
        before = datetime.now(UTC) - _ABANDONED
        with _failures(_TEMPORARY):
            listed = obstore.list(self.store, prefix=_TEMPORARY)
            old = [meta["path"] for batch in listed for meta in batch if meta["last_modified"] < before]
            if old:
                obstore.delete(self.store, old)
        return len(old)

    def _put_one(self, put: Put) -> bool:
        if put.replace:
            self.replace(put.path, put.chunks, check=put.check)
            return True
        return self.put_if_absent(put.path, put.chunks, check=put.check)

    def _put(self, path: str, chunks: Iterable[Bytes], check: Check | None) -> None:
        draft = f"{_TEMPORARY}/{secrets.token_hex(16)}"
        source = _Chunks(chunks)
        try:
            with _failures(path):
                obstore.put(self.store, draft, source)
            if check is not None:
                check(lambda start, end: self.get_range(draft, start, end), self.size(draft))
            with _failures(path):
                obstore.copy(self.store, draft, path)
        except Exception:
            if source.error is not None:
                raise source.error from None
            raise
        finally:
            with suppress(BaseError, FileNotFoundError):  # else `sweep` takes it later
                obstore.delete(self.store, draft)


class _Chunks:
    """Chunks on their way through obstore, which would wrap an error that the writer raises."""

    def __init__(self, chunks: Iterable[Bytes]) -> None:
        self._chunks = iter(chunks)
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return bytes(next(self._chunks))
        except StopIteration:
            raise
        except Exception as why:
            self.error = why
            raise


@contextmanager
def _failures(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise _missing(path) from None
    except BaseError as why:
        raise StoreFailed(
            f"The object store failed on {path}: {_brief(why)}.",
            next_step="Check the network and the credentials, then run the same command again.",
        ) from why


def _missing(path: str) -> BlobMissing:
    return BlobMissing(f"The store holds no blob {path}.", next_step="Check the store's address.")


def _brief(why: Exception) -> str:
    return " ".join(str(why).split())[:200].rstrip(".")
