"""What the archive needs from outside: somewhere to keep blobs, somebody who signs, somebody who watches."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol, TypeAlias

from attrs import frozen

from emeritus.core.errors import InvalidInput

SHIPPED: Final = ("frames.py", "restore.py", "RESTORE.md")
"""Files at the root of a store (see `emeritus.archive.shipped`). They are no objects and no manifests: whoever
counts, sweeps, prunes or copies blobs leaves them out."""

Bytes: TypeAlias = bytes | bytearray | memoryview
Read: TypeAlias = Callable[[int, int], bytes]
"""``read(start, end)`` returns exactly these bytes."""
Check: TypeAlias = Callable[[Read, int], None]
"""``check(read, size)`` looks at what was stored before it becomes visible, and raises to stop that."""
Signer: TypeAlias = Callable[[bytes], bytes]
"""Signs a manifest's bytes; what it returns is kept beside the manifest as it is."""
Verifier: TypeAlias = Callable[[bytes, bytes], bool]
"""``verifier(manifest bytes, signature)`` tells whether the signature is sound and by a trusted key."""
Progress: TypeAlias = Callable[[int, int, str], None]
"""``progress(done_bytes, total_bytes, what)``, called now and then, never from two threads at once."""

_SEGMENT = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")


def quiet(done_bytes: int, total_bytes: int, what: str) -> None:
    """Watch nothing: the progress port's default."""


def beyond(progress: Progress, before: int, total: int) -> Progress:
    """Return a progress that reports one part of *total*, of which *before* is done already."""
    return lambda done_bytes, _, what: progress(before + done_bytes, total, what)


def blob_path(path: str) -> str:
    """Return *path* when it can name a blob in any store.

    Segments of lower-case letters, digits, ``.``, ``_``, ``-``, parted by ``/``; no ``..``; or one of
    the `SHIPPED` files.

    Raises:
        InvalidInput: otherwise.
    """
    if path in SHIPPED:
        return path
    if len(path) > 512 or ".." in path or not all(map(_SEGMENT.fullmatch, path.split("/"))):
        raise InvalidInput(
            f"{path[:80]!r} cannot name a blob.",
            next_step="Use segments of lower-case letters, digits, '.', '_' and '-', parted by '/'.",
        )
    return path


@frozen
class Put:
    """One blob to store: as `Blobs.put_if_absent` would, or as `Blobs.replace` would (*replace*)."""

    path: str
    chunks: Iterable[Bytes]
    check: Check | None = None
    replace: bool = False


class Blobs(Protocol):
    """Where bytes are kept under a path: written once, atomically, and durable when the call returns.

    Every method raises StoreFailed when the store does not do its work, DiskFull when there is no
    space left, and InvalidInput for a path that `blob_path` refuses.
    """

    def put_if_absent(self, path: str, chunks: Iterable[Bytes], *, check: Check | None = None) -> bool:
        """Store *chunks* under *path* and return True; return False when something is there already.

        Nothing is visible under *path* until all of it is stored, *check* has read it back and agreed,
        and it would survive a power cut. If *chunks* or *check* raise, nothing is kept. When several
        writers race, each of them returns and exactly one blob is there.
        """
        ...

    def replace(self, path: str, chunks: Iterable[Bytes], *, check: Check | None = None) -> None:
        """Store *chunks* under *path* as `put_if_absent` does, in place of what is there.

        Only for repair: the new bytes must be what the old ones should have been.
        """
        ...

    def put_together(self, puts: Sequence[Put]) -> list[bool]:
        """Store several blobs, which costs less than one after the other; tell which are new.

        For each of them what `put_if_absent` or `replace` promises holds when this returns: all of them
        would survive a power cut. When the chunks or the check of one raise, that error is raised; of the
        others any may be kept, each whole.
        """
        ...

    def delete(self, path: str) -> bool:
        """Remove a blob, for good; False when there is none. Only for what no manifest needs any more."""
        ...

    def get(self, path: str) -> Iterator[bytes]:
        """Yield the whole blob in pieces. Raises BlobMissing on the first step, and BlobUnreadable."""
        ...

    def get_range(self, path: str, start: int, end: int) -> bytes:
        """Return exactly the bytes from *start* up to *end*.

        Raises:
            BlobMissing: when nothing is there.
            BlobUnreadable: when the blob ends before *end*, or the disk cannot read it.
        """
        ...

    def peek(self, path: str, length: int) -> tuple[bytes, int]:
        """Return the first *length* bytes (all, when there are fewer) and the blob's whole size.

        One request, where `size` and `get_range` are two. Raises as they do.
        """
        ...

    def size(self, path: str) -> int:
        """Return the blob's length in bytes. Raises BlobMissing."""
        ...

    def exists(self, path: str) -> bool:
        """Tell whether something is stored under *path*."""
        ...

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield, sorted, the paths that begin with *prefix* (whole segments, no ``/`` at the end)."""
        ...

    def sweep(self) -> int:
        """Remove what writers left behind that died in mid-write; return how many such leftovers."""
        ...
