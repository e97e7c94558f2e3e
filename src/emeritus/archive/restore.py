"""Give a model back, bit for bit; check that this is still possible; serve parts of its files."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from attrs import frozen
from blake3 import blake3

from emeritus.archive.catalogue import stored_sizes
from emeritus.archive.drafts import Draft, disk_errors, is_regular, sweep
from emeritus.archive.errors import FileDamaged, TargetOccupied
from emeritus.archive.facts import damaged
from emeritus.archive.flow import BUDGET, flow
from emeritus.archive.manifest import FileRecipe, Manifest, Part
from emeritus.archive.names import file_name, no_twins
from emeritus.archive.objects import StoredObject
from emeritus.archive.ports import Blobs, Bytes, Progress, beyond, quiet
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

    Each file is checked against its BLAKE3 while it is written and appears only when it is whole. A
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
            told = beyond(progress, done, manifest.size)
            if not _restore_file(file, path, blobs, pool, told):  # objects may have been rewritten under us
                _find_damage(file, blobs, pool)
                if not _restore_file(file, path, blobs, pool, quiet):
                    raise _file_damaged(file)
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
            blake, sha = blake3(), hashlib.sha256()
            sound = True
            for part in file.parts:
                try:
                    for raw in _part(part, blobs, pool):
                        blake.update(raw)
                        sha.update(raw)
                except IntegrityError as why:
                    sound = False
                    wrong = getattr(why, "object", None) or part.object  # it may be the fault of a base
                    files = needed[part.object] if part.object else []
                    before = found.get(wrong)
                    files = list(dict.fromkeys([*(before.files if before else ()), *files]))
                    sentence = before.sentence if before else why.sentence
                    found[wrong] = Damage(wrong, tuple(files), why.id, sentence)
                done += part.length
                progress(done, manifest.size, file.name)
            if sound and (blake.hexdigest(), sha.hexdigest()) != (file.blake3, file.sha256):
                error = _file_damaged(file)
                damage.append(Damage(None, (file.name,), error.id, error.sentence))
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
    budget: int = BUDGET,
) -> Iterator[bytes]:
    """Yield the bytes of one file from *start* up to *end* (its end by default), in pieces.

    Every piece is checked against decay before it is given out. Whether all of an object is what was
    archived can be told only where all of it is asked for. *budget* bounds the bytes decoded ahead.

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
    return _range(file, start, stop, blobs, threads, budget)


def measure(manifest: Manifest, blobs: Blobs) -> int:
    """Return how many bytes the store holds for the objects of *manifest*; missing ones count nothing."""
    return sum(stored_sizes(blobs, manifest.objects).values())


def _range(
    file: FileRecipe, start: int, stop: int, blobs: Blobs, threads: int, budget: int
) -> Iterator[bytes]:
    with _pool(threads) as pool:
        whole = (start, stop) == (0, file.size)
        hasher = blake3()
        for raw in flow(file.parts, blobs, pool, start=start, end=stop, budget=budget):
            if whole:
                hasher.update(raw)
            yield bytes(raw)
        if whole and hasher.hexdigest() != file.blake3:
            _find_damage(file, blobs, pool)
            raise _file_damaged(file)


def _part(part: Part, blobs: Blobs, pool: Executor) -> Iterator[Bytes]:
    if part.object is None:
        yield bytes.fromhex(part.inline or "")
        return
    stored = StoredObject.open(blobs, part.object)
    if stored.facts.length != part.length:
        raise damaged(part.object, f"it holds {stored.facts.length} bytes, not {part.length}")
    yield from stored.whole(pool)


def _restore_file(file: FileRecipe, path: Path, blobs: Blobs, pool: Executor, progress: Progress) -> bool:
    """Write one file; False, with nothing left behind, when what came out is not what was archived.

    The frames' own digests are not looked at: the digest of the file tells more, and only when it is
    not right is the object looked for whose fault that is.
    """
    if _is_there(file, path):
        return True
    hasher = blake3()
    done = 0
    with Draft(path.parent, str(path)) as draft:
        for raw in flow(file.parts, blobs, pool, check=False, sink=draft.write_at):
            hasher.update(raw)
            done += len(raw)
            progress(done, file.size, file.name)
        if hasher.hexdigest() != file.blake3:
            return False
        draft.sync(forget=False)
        if not draft.publish(path) and not _is_there(file, path):
            raise _occupied(path)
    return True


def _find_damage(file: FileRecipe, blobs: Blobs, pool: Executor) -> None:
    """Read every object of *file* with all its checks. Raises ObjectDamaged or ObjectMissing for the first."""
    for part in file.parts:
        for _ in _part(part, blobs, pool):
            pass


def _is_there(file: FileRecipe, path: Path) -> bool:
    """Tell whether *path* holds exactly this file. Raises TargetOccupied when it holds another."""
    if not is_regular(path):
        if os.path.lexists(path):
            raise _occupied(path)
        return False
    hasher = blake3()
    with disk_errors(str(path)), path.open("rb") as held:
        while data := held.read(_PIECE):
            hasher.update(data)
    if path.lstat().st_size != file.size or hasher.hexdigest() != file.blake3:
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
