"""Blobs in an object store, through obstore."""

import queue
import secrets
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import chain

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotSupportedError
from obstore.store import MemoryStore, ObjectStore

from emeritus.archive.errors import BlobMissing, BlobUnreadable, StoreFailed
from emeritus.archive.ports import Bytes, Check, Put, blob_path
from emeritus.store.blobs.faults import failures, no_bucket

_PIECE = 4 << 20
_SMALL = 4 << 20  # what has no check and is not longer goes under its name in one request
_TEMPORARY = "tmp"
_REQUESTS = 8  # requests under way at a time
_ABANDONED = timedelta(days=2)


class ObjectStoreBlobs:
    """Blobs in an object store.

    What has to be checked is uploaded under a temporary key, read back, and copied to its name, by a copy
    that fails when the name is taken; what needs no check and is small is put there at once, by a
    conditional request.
    """

    def __init__(self, store: ObjectStore | None = None) -> None:
        self.store = store if store is not None else MemoryStore()
        self._is_there = False

    def put_if_absent(self, path: str, chunks: Iterable[Bytes], *, check: Check | None = None) -> bool:
        return not self.exists(path) and self._put(path, chunks, check, replace=False)

    def replace(self, path: str, chunks: Iterable[Bytes], *, check: Check | None = None) -> None:
        self._put(blob_path(path), chunks, check, replace=True)

    def put_together(self, puts: Sequence[Put]) -> list[bool]:
        with ThreadPoolExecutor(_REQUESTS, thread_name_prefix="archive-puts") as pool:
            return list(pool.map(self._put_one, puts))

    def delete(self, path: str) -> bool:
        if not self.exists(path):
            return False
        with failures(path), suppress(FileNotFoundError):
            obstore.delete(self.store, path)
        return True

    def get(self, path: str) -> Iterator[bytes]:
        with failures(path):
            result = obstore.get(self.store, blob_path(path))
            left = int(result.meta["size"])
            for piece in result.stream(_PIECE):
                left -= len(piece)
                yield bytes(piece)
        if left:
            raise StoreFailed(
                f"The object store gave {left} bytes of {path} less than it said.",
                next_step="Run the same command again.",
            )

    def get_range(self, path: str, start: int, end: int) -> bytes:
        if start == end:
            return b""
        try:
            with failures(path):
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
            with failures(path):
                result = obstore.get(self.store, blob_path(path), options={"range": (0, max(1, length))})
                first, size = bytes(result.bytes()), int(result.meta["size"])
        except StoreFailed:
            if self.size(path):  # a store may refuse a range of an empty blob
                raise
            return b"", 0
        return first[:length], size

    def size(self, path: str) -> int:
        try:
            with failures(path):
                return int(obstore.head(self.store, blob_path(path))["size"])
        except BlobMissing:
            self._look()
            raise

    def exists(self, path: str) -> bool:
        try:
            self.size(path)
        except BlobMissing:
            return False
        return True

    def list(self, prefix: str = "") -> Iterator[str]:
        with failures(prefix):
            listed = obstore.list(self.store, prefix=blob_path(prefix) if prefix else None)
            found = [meta["path"] for batch in listed for meta in batch]
        yield from sorted(path for path in found if not path.startswith(_TEMPORARY + "/"))

    def sweep(self) -> int:
        before = datetime.now(UTC) - _ABANDONED
        with failures(_TEMPORARY):
            listed = obstore.list(self.store, prefix=_TEMPORARY)
            old = [meta["path"] for batch in listed for meta in batch if meta["last_modified"] < before]
            if old:
                obstore.delete(self.store, old)
        return len(old)

    def _look(self) -> None:
        """A store says of what is missing the same with and without a bucket: ask once which it is."""
        if not self._is_there:
            try:
                with failures(""):
                    next(iter(obstore.list(self.store, chunk_size=1)), None)
            except BlobMissing:
                raise no_bucket() from None
            self._is_there = True

    def _put_one(self, put: Put) -> bool:
        if put.replace:
            self.replace(put.path, put.chunks, check=put.check)
            return True
        return self.put_if_absent(put.path, put.chunks, check=put.check)

    def _put(self, path: str, chunks: Iterable[Bytes], check: Check | None, *, replace: bool) -> bool:
        rest = iter(chunks)
        if check is None:
            start = bytearray()
            for chunk in rest:
                start += chunk
                if len(start) > _SMALL:
                    break
            else:
                return self._put_small(path, bytes(start), replace=replace)
            rest = chain([bytes(start)], rest)
        return self._put_large(path, rest, check, replace=replace)

    def _put_small(self, path: str, data: bytes, *, replace: bool) -> bool:
        with failures(path):
            try:
                obstore.put(self.store, path, data, mode="overwrite" if replace else "create")
            except AlreadyExistsError:
                return False
        return True

    def _put_large(self, path: str, chunks: Iterator[Bytes], check: Check | None, *, replace: bool) -> bool:
        draft = f"{_TEMPORARY}/{secrets.token_hex(16)}"
        source = _Chunks(chunks)
        try:
            with failures(path):
                obstore.put(self.store, draft, source)
            if check is not None:
                check(lambda start, end: self.get_range(draft, start, end), self.size(draft))
            return self._name(draft, path, replace=replace)
        except Exception:
            if source.error is not None:
                raise source.error from None
            raise
        finally:
            source.close()
            with suppress(BaseError, FileNotFoundError):  # else `sweep` takes it later
                obstore.delete(self.store, draft)

    def _name(self, draft: str, path: str, *, replace: bool) -> bool:
        with failures(path):
            try:
                obstore.copy(self.store, draft, path, overwrite=replace)
            except AlreadyExistsError:
                return False
            except NotSupportedError:  # no such copy there: what lies under a name is the same either way
                obstore.copy(self.store, draft, path)
        return True


class _Chunks:
    """Chunks on their way into obstore, made in a thread of their own.

    obstore asks for them from within its runtime: what makes them could not ask it for anything there, and
    what they raise would be wrapped.
    """

    def __init__(self, chunks: Iterator[Bytes]) -> None:
        self._chunks = chunks
        self._made: queue.Queue[bytes | None] = queue.Queue(2)
        self._unwanted = threading.Event()
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._make, name="archive-chunks", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = self._made.get()
        if chunk is not None:
            return chunk
        if self.error is not None:
            raise self.error
        raise StopIteration

    def close(self) -> None:
        """Make no more; return when nothing is being made."""
        self._unwanted.set()
        while self._thread.is_alive():
            with suppress(queue.Empty):
                self._made.get(timeout=0.01)
        self._thread.join()

    def _make(self) -> None:
        try:
            for chunk in self._chunks:
                if self._unwanted.is_set():
                    break
                self._made.put(bytes(chunk))
        except Exception as why:  # noqa: BLE001  (it is raised where the chunks are wanted)
            self.error = why
        self._made.put(None)
