"""Bags (RFC 8493): a payload, a list of its digests, a list of the digests of that, and a signature over it."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

from attrs import frozen

from emeritus.archive.drafts import Draft, disk_errors, make_folder, remove, sweep
from emeritus.archive.ports import Bytes, Progress, quiet
from emeritus.core.errors import Conflict, InvalidInput

PAYLOAD = "data"
MANIFEST = "manifest-sha256.txt"
TAGMANIFEST = "tagmanifest-sha256.txt"
SIGNATURE = "tagmanifest-sha256.txt.sig"
DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
_MARK = "unfinished.txt"
_UNFINISHED = b"This escrow was not finished. Run the same command again to go on, or delete this folder.\n"
_PIECE = 4 << 20


class TargetForeign(Conflict):
    """The folder for an escrow holds something else; nothing in it was touched."""

    id = "archive.escrow_target"


@frozen
class BagFacts:
    """A finished bag: where it is, the digest of its tag manifest, and its payload."""

    path: Path
    digest: str
    files: int
    size: int


class Bag:
    """A bag being filled beside *target*, where it appears when it is whole.

    Filling may be repeated: what is there already, of the same length, is kept (see `has`).
    """

    def __init__(self, target: Path) -> None:
        """Begin, or go on with, a bag. Raises TargetForeign, DiskFull, StoreFailed."""
        self.target = Path(os.path.abspath(target))  # noqa: PTH100 - a link at its end is not followed
        self.folder = self.target.with_name(f".{self.target.name}.unfinished")
        self._kept: set[Path] = set()
        check_target(target)
        ours = (self.folder / _MARK).is_file() or (self.folder / SIGNATURE).is_file()
        if os.path.lexists(self.folder) and not ours and not _is_empty(self.folder):
            raise TargetForeign(
                f"{self.folder} is in the way, and is no unfinished escrow.", next_step="Move it away."
            )
        with disk_errors(str(self.folder)):
            make_folder(self.folder)
            for folder in [self.folder, *(path for path in self.folder.rglob("*") if path.is_dir())]:
                sweep(folder)
        self._write(self.folder / _MARK, [_UNFINISHED])

    def sealed(self) -> str | None:
        """Return the digest of the bag, when an earlier try sealed it and only `finish` is missing."""
        if not (self.folder / SIGNATURE).is_file():
            return None
        return "sha256:" + _digest(self.folder / TAGMANIFEST)[0]

    def unseal(self) -> None:
        """Begin to change what an earlier try sealed."""
        for name in (SIGNATURE, TAGMANIFEST):
            remove(self.folder / name)

    def place(self, path: str) -> Path:
        """Return where the payload file *path* belongs, and keep it: what is not kept is removed at the end."""
        place = self.folder / PAYLOAD / path
        self._kept.add(place)
        return place

    def has(self, path: str, size: int) -> bool:
        """Tell whether the payload file *path* is there with this length, and keep it then."""
        place = self.folder / PAYLOAD / path
        there = place.is_file() and place.lstat().st_size == size
        if there:
            self._kept.add(place)
        return there

    def add(self, path: str, chunks: bytes | Iterable[Bytes]) -> None:
        """Put a payload file in its place, whole or not at all. Raises DiskFull, StoreFailed."""
        self._write(self.place(path), [chunks] if isinstance(chunks, bytes) else chunks)

    def seal(
        self,
        info: Mapping[str, str | Sequence[str]],
        tags: Mapping[str, bytes],
        sign: Callable[[bytes], bytes],
        *,
        on: date,
        progress: Progress = quiet,
    ) -> BagFacts:
        """Write the lists, *tags* (more files beside the payload) and the signature.

        Every payload file is read from the disk for its digest; what nobody put in is removed.
        """
        files = self._payload()
        total = sum(path.lstat().st_size for path in files)
        listed = []
        done = 0
        for path in files:
            digest, size = _digest(path)
            listed.append(f"{digest}  {path.relative_to(self.folder).as_posix()}\n")
            done += size
            progress(done, total, "listing")
        told = {**info, "Bagging-Date": on.isoformat(), "Payload-Oxum": f"{done}.{len(files)}"}
        written = {
            "bagit.txt": DECLARATION,
            "bag-info.txt": _info(told),
            MANIFEST: "".join(listed).encode(),
            **tags,
        }
        for name, data in written.items():
            self._write(self.folder / name, [data])
        lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(written.items())]
        manifest = "".join(lines).encode()
        self._write(self.folder / TAGMANIFEST, [manifest])
        self._write(self.folder / SIGNATURE, [sign(manifest)])
        digest = "sha256:" + hashlib.sha256(manifest).hexdigest()
        return BagFacts(self.target, digest, len(files), done)

    def finish(self) -> None:
        """Let the sealed bag appear under its name, all at once."""
        with disk_errors(str(self.target)):
            (self.folder / _MARK).unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                self.target.rmdir()
            self.folder.rename(self.target)
            fd = os.open(self.target.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def room(self) -> int:
        """Return how many bytes are free where the bag lies."""
        return room(self.folder)

    def size(self) -> int:
        """Return how many bytes an earlier try left in the payload."""
        payload = self.folder / PAYLOAD
        return sum(path.lstat().st_size for path in payload.rglob("*") if path.is_file())

    def _payload(self) -> list[Path]:
        found = []
        for path in sorted((self.folder / PAYLOAD).rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                if _is_empty(path):
                    path.rmdir()
            elif path in self._kept:
                found.append(path)
            else:
                path.unlink()  # of an earlier try, before the record grew
        return found[::-1]

    def _write(self, place: Path, chunks: Iterable[Bytes]) -> None:
        with Draft(place.parent, str(place)) as draft:
            for chunk in chunks:
                draft.write(chunk)
            draft.sync()
            draft.publish(place, replace=True)


def check_target(target: Path) -> None:
    """Refuse a place where something is already. Raises TargetForeign."""
    if os.path.lexists(target) and not _is_empty(target):
        raise TargetForeign(
            f"{target} is there already, and holds something.",
            next_step="Name a folder that is not there yet; an escrow is never written into another one.",
        )


def room(folder: Path) -> int:
    """Return how many bytes are free where *folder* lies. Raises StoreFailed."""
    with disk_errors(str(folder)):
        return shutil.disk_usage(folder).free


def bag_path(path: str) -> str:
    """Return *path* when every reader of bags means the same file by it. Raises InvalidInput."""
    if "%" in path or "\n" in path or "\r" in path:
        raise InvalidInput(
            f"{path[:80]!r} cannot stand in a bag under its own name.",
            next_step="Escrow the archive's objects instead: leave --plain out.",
        )
    return path


def _digest(path: Path) -> tuple[str, int]:
    hasher, size = hashlib.sha256(), 0
    with disk_errors(str(path)), path.open("rb") as file:
        while data := file.read(_PIECE):
            hasher.update(data)
            size += len(data)
    return hasher.hexdigest(), size


def _info(told: Mapping[str, str | Sequence[str]]) -> bytes:
    lines = []
    for label, value in told.items():
        told_once = [value] if isinstance(value, str) else value
        lines += [f"{label}: {' '.join(one.split())}\n" for one in told_once]
    return "".join(lines).encode()


def _is_empty(path: Path) -> bool:
    with disk_errors(str(path)):
        return path.is_dir() and not path.is_symlink() and not any(path.iterdir())
