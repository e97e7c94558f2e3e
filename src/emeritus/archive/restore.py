"""Give a model back, bit for bit; check that this is still possible; serve parts of its files."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from attrs import frozen
from blake3 import blake3

from emeritus.archive import objects
from emeritus.archive.drafts import Draft, disk_errors, is_regular, sweep
from emeritus.archive.errors import FileDamaged, ObjectDamaged, TargetOccupied
from emeritus.archive.manifest import FileRecipe, Manifest, Part
from emeritus.archive.names import file_name, no_twins
from emeritus.archive.ports import Blobs, Progress, beyond, quiet
from emeritus.core.errors import EmeritusError, IntegrityError, InvalidInput

_PIECE = 4 << 20


@frozen
class Damage:
    """One thing that is wrong: the object (or None), the files that need it, the error's id and sentence."""

    object: str | None
    files: tuple[str, ...]
    id: str
    sentence: str


@frozen
class Report:
    """What `verify` found after reading everything back."""

    model: str
    digest: str
    objects: int
    raw_bytes: int
    stored_bytes: int
    damage: tuple[Damage, ...]

    @property
    def is_sound(self) -> bool:
        return not self.damage


def restore(
    manifest: Manifest, blobs: Blobs, target: Path | str, *, progress: Progress = quiet, threads: int = 2
) -> tuple[Path, ...]:
    """Make all files of *manifest* again below the folder *target* and return where they are.

    Each file is checked against its SHA-256 while it is written and appears only when it is whole. A
    file that is there already is kept when it is identical.

    Raises:
        ObjectDamaged, ObjectMissing, FileDamaged: when the archive cannot give the file back.
        TargetOccupied: when another file stands in the way; nothing is overwritten.
        UnsafeName: when the manifest names a file outside *target*.
        DiskFull, StoreFailed: when the target cannot be written.
    """
    target = Path(target)
    no_twins(file_name(file.name) for file in manifest.files)
    places = tuple(_place(target, file.name) for file in manifest.files)
    for folder in {path.parent for path in places}:
        sweep(folder)
    done = 0
    with _pool(threads) as pool:
        for file, path in zip(manifest.files, places, strict=True):
            _restore_file(file, path, blobs, pool, beyond(progress, done, manifest.size))
            done += file.size
            progress(done, manifest.size, file.name)
    return places


def verify(manifest: Manifest, blobs: Blobs, *, progress: Progress = quiet, threads: int = 2) -> Report:
    """Read back and check every object and every file of *manifest*; name all that is damaged or missing.

    Raises:
        StoreFailed: when the store cannot be asked; damage is reported, not raised.
    """
    needed: dict[str, list[str]] = {}
    for file in manifest.files:
        for digest in {part.object: None for part in file.parts if part.object is not None}:
            needed.setdefault(digest, []).append(file.name)
    found: dict[str | None, Damage] = {}
    damage: list[Damage] = []
    done = 0
    with _pool(threads) as pool:
        for file in manifest.files:
            hasher = blake3()
            sound = True
            for part in file.parts:
                try:
                    for raw in _part(part, blobs, pool):
                        hasher.update(raw)
                except IntegrityError as why:
                    sound = False
                    if part.object not in found:
                        files = tuple(needed[part.object]) if part.object else ()
                        found[part.object] = Damage(part.object, files, why.id, why.sentence)
                done += part.length
                progress(done, manifest.size, file.name)
            if sound and hasher.hexdigest() != file.blake3:
                wrong = _file_damaged(file)
                damage.append(Damage(None, (file.name,), wrong.id, wrong.sentence))
    return Report(
        manifest.model,
        manifest.digest,
        len(needed),
        manifest.size,
        measure(manifest, blobs),
        (*found.values(), *damage),
    )


def read_file(
    manifest: Manifest,
    name: str,
    blobs: Blobs,
    start: int = 0,
    end: int | None = None,
    *,
    threads: int = 2,
) -> Iterator[bytes]:
    """Yield the bytes of one file from *start* up to *end* (its end by default), in pieces.

    Every piece is checked against decay before it is given out. Whether all of an object is what was
    archived can be told only where all of it is asked for.

    Raises:
        NotFound: when there is no such file.
        InvalidInput: when the range lies outside it.
        ObjectDamaged, ObjectMissing: when the archive cannot give the bytes.
    """
    file = manifest.file(name)
    stop = file.size if end is None else end
    if not 0 <= start <= stop <= file.size:
        raise InvalidInput(
            f"The bytes {start} to {stop} lie outside {name} of {file.size} bytes.",
            next_step="Ask for a range inside the file.",
        )
    return _range(file, start, stop, blobs, threads)


def measure(manifest: Manifest, blobs: Blobs) -> int:
    """Return how many bytes the store holds for the objects of *manifest*; missing ones count nothing."""
    total = 0
    for digest in manifest.objects:
        path = objects.object_path(digest)
        if blobs.exists(path):
            total += blobs.size(path)
    return total


def _range(file: FileRecipe, start: int, stop: int, blobs: Blobs, threads: int) -> Iterator[bytes]:
    with _pool(threads) as pool:
        at = 0
        for part in file.parts:
            first, last = max(start - at, 0), min(stop - at, part.length)
            if first < last:
                yield from _part(part, blobs, pool, first, last)
            at += part.length


def _part(
    part: Part, blobs: Blobs, pool: Executor, start: int = 0, end: int | None = None
) -> Iterator[bytes]:
    stop = part.length if end is None else end
    if part.object is None:
        yield bytes.fromhex(part.inline or "")[start:stop]
        return
    stored = objects.StoredObject.open(blobs, part.object)
    if stored.facts.length != part.length:
        raise ObjectDamaged(
            f"The object {part.object} holds {stored.facts.length} bytes, not {part.length}.",
            next_step="Repair it from a replica, or archive the model again from its source.",
        )
    yield from stored.whole(pool) if (start, stop) == (0, part.length) else stored.slice(start, stop, pool)


def _restore_file(file: FileRecipe, path: Path, blobs: Blobs, pool: Executor, progress: Progress) -> None:
    if _is_there(file, path):
        return
    sha, blake = hashlib.sha256(), blake3()
    done = 0
    with Draft(path.parent, str(path)) as draft:
        for part in file.parts:
            for raw in _part(part, blobs, pool):
                sha.update(raw)
                blake.update(raw)
                draft.write(raw)
                done += len(raw)
                progress(done, file.size, file.name)
        if sha.hexdigest() != file.sha256 or blake.hexdigest() != file.blake3:
            raise _file_damaged(file)
        draft.sync()
        if not draft.publish(path) and not _is_there(file, path):
            raise _occupied(path)


def _is_there(file: FileRecipe, path: Path) -> bool:
    """Tell whether *path* holds exactly this file. Raises TargetOccupied when it holds another."""
    if not is_regular(path):
        if os.path.lexists(path):
            raise _occupied(path)
        return False
    sha = hashlib.sha256()
    with disk_errors(str(path)), path.open("rb") as held:
        while data := held.read(_PIECE):
            sha.update(data)
    if path.lstat().st_size != file.size or sha.hexdigest() != file.sha256:
        raise _occupied(path)
    return True


def _place(target: Path, name: str) -> Path:
    """Return where *name* belongs below *target*, refusing a way that leads through a link."""
    path = target
    for segment in name.split("/")[:-1]:
        path /= segment
        if os.path.lexists(path) and (path.is_symlink() or not path.is_dir()):
            raise _occupied(path)
    return target / name


def _occupied(path: Path) -> TargetOccupied:
    return TargetOccupied(
        f"{path} is there already and is not what the archive holds.",
        next_step="Restore into an empty folder, or move it away.",
    )


def _file_damaged(file: FileRecipe) -> EmeritusError:
    return FileDamaged(
        f"The objects of {file.name} are sound, but together they are not the file that was archived.",
        next_step="Check the manifest's digest against the public record, and take it from a replica.",
    )


def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, threads), thread_name_prefix="archive-restore")
