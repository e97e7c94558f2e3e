"""A blob store in memory, for tests and demonstrations: it keeps the same promises as the real ones."""

import threading
from collections.abc import Iterable, Iterator

from emeritus.archive.errors import BlobMissing, BlobUnreadable
from emeritus.archive.ports import Bytes, Check, blob_path


class MemoryBlobs:
    """Blobs in a dictionary. ``held`` is open to tests that want to damage something."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def put_if_absent(self, path: str, chunks: Iterable[Bytes], *, check: Check | None = None) -> bool:
        blob_path(path)
        if path in self.held:
            return False
        data = _collect(chunks, check)
        with self._lock:
            return self.held.setdefault(path, data) is data

    def replace(self, path: str, chunks: Iterable[Bytes], *, check: Check | None = None) -> None:
        self.held[blob_path(path)] = _collect(chunks, check)

    def get(self, path: str) -> Iterator[bytes]:
        yield self._data(path)

    def get_range(self, path: str, start: int, end: int) -> bytes:
        data = self._data(path)
        if end > len(data):
            raise BlobUnreadable(
                f"The blob {path} ends after {len(data)} bytes, before byte {end}.",
                next_step="Repair it from a replica, or archive the model again.",
            )
        return data[start:end]

    def size(self, path: str) -> int:
        return len(self._data(path))

    def exists(self, path: str) -> bool:
        return blob_path(path) in self.held

    def list(self, prefix: str = "") -> Iterator[str]:
        if prefix:
            blob_path(prefix)
        yield from sorted(path for path in list(self.held) if not prefix or path.startswith(prefix + "/"))

    def sweep(self) -> int:
        return 0

    def _data(self, path: str) -> bytes:
        try:
            return self.held[blob_path(path)]
        except KeyError:
            raise BlobMissing(
                f"The store holds no blob {path}.", next_step="Check the store's address."
            ) from None


def _collect(chunks: Iterable[Bytes], check: Check | None) -> bytes:
    data = b"".join(bytes(chunk) for chunk in chunks)
    if check is not None:
        check(lambda start, end: data[start:end], len(data))
    return data
