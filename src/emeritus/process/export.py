"""The part of a site that can be checked, as plain files: for anybody to host, to keep, and to verify.

Files lie where the site itself serves them. What can change is replaced in one step, and the checkpoint last
of all: whoever reads while this writes finds every tile of the checkpoint that they see.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from attrs import define, field, frozen

from emeritus import column
from emeritus.column.essay import KINDS
from emeritus.core.errors import Conflict, EmeritusError, InvalidInput
from emeritus.interviews import export_sitting
from emeritus.process.ports import Work
from emeritus.process.public import public_words, released_sittings
from emeritus.process.report import report_path
from emeritus.process.verify.essay import hint, hint_path, text_path, words_path
from emeritus.process.verify.site import transcript_path
from emeritus.record import Checkpoint, Log, merkle
from emeritus.record.edge import WIDTH
from emeritus.record.note import Note
from emeritus.record.rotation import KINDS as ROTATIONS
from emeritus.record.rotation import keys_of
from emeritus.record.tiles import Tile, TooLong, bundle, tiles_of

_CHECKPOINT = "record/checkpoint"
_SYNCS = 16
_OWN = ("record", "column", "models", "utterances")


@frozen
class Exported:
    """What an export came to: the record's *size*, and how many files were *written*, *kept* and *removed*."""

    folder: Path
    size: int
    written: int
    kept: int
    removed: int


Beside = Callable[[Work, frozenset[str]], Iterable[tuple[str, bytes]]]
"""Makes more files, each with its path, from a unit of work and the paths that are copied anyway."""


def nothing(_work: Work, _paths: frozenset[str]) -> tuple[()]:
    """Put no more files into a copy."""
    return ()


def export(
    read: Callable[[], AbstractContextManager[Work]], folder: Path, beside: Beside = nothing
) -> Exported:
    """Bring the copy in *folder* to what is public now; a folder that is not there is made.

    *beside* makes files that are put there too, such as pages; they are derived, so they are not awaited on the
    disk one by one.

    Raises:
        InvalidInput: something else lies there. Conflict: it is a copy of another record, or of a longer one.
        NotFound, IntegrityError: words are lost or altered; the copy still has its old checkpoint.
    """
    with read() as work:
        log = work.log
        head = log.checkpoint()
        before = _before(folder, log, head)
        files = _Files(folder)
        for tile in tiles_of(head.size):
            _write_tile(files, log, tile, before)
        words = public_words(log)
        for name in words:
            if not files.has(words_path(name)):
                said = work.utterances.get(name)
                files.put(words_path(name), said.canonical())
                files.put(f"{words_path(name)}.txt", said.text.encode())
            files.keep(f"{words_path(name)}.txt")
        for essay in column.states(log):
            if essay.edition is not None:
                if not files.has(text_path(essay.id)):
                    files.put(text_path(essay.id), work.utterances.get(essay.utterance).text.encode())
                files.put(hint_path(essay.id), hint(essay.id, log.entries(subject=essay.id, kinds=KINDS)))
        for sitting in released_sittings(log):
            files.put(transcript_path(sitting), export_sitting(log, work.utterances, sitting.id).data)
        for entry in log.entries(kinds={"report.published"}):
            files.put(report_path(entry), work.documents.get(entry.body["digest"]).data)
        keys = keys_of(log)
        files.put("record/keys", "".join(f"{key}\n" for key in keys).encode())
        files.put("record/key", "".join(f"{key}\n" for key in keys[-1:]).encode())
        rotated = log.entries(kinds=ROTATIONS)
        files.put("record/rotations", "".join(f"{entry.seq}\n" for entry in rotated).encode())
        files.sync()
        for path, data in beside(work, files.paths):
            files.write(path, data)
        files.put(_CHECKPOINT, log.signed_checkpoint().encode())
        files.sync()
    # A reader may still hold the checkpoint before this one: its tiles stay until the next export.
    removed = files.sweep({tile.path for tile in tiles_of(before)})
    return Exported(folder, head.size, files.written, files.kept, removed)


def _before(folder: Path, log: Log, head: Checkpoint) -> int:
    """Return the size of the copy that is there, 0 when there is none."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return 0
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if not folder.is_dir() or "record" not in names:
        raise InvalidInput(
            f"{folder} is something else than a copy of a record.",
            next_step="Name a folder that is empty, or is not there yet.",
        )
    try:
        text = (folder / _CHECKPOINT).read_text(encoding="utf-8")
    except FileNotFoundError:
        return 0  # the first export was broken off
    try:
        old = Checkpoint.read(Note.parse(text).text)
        same = old.origin == head.origin and old.size <= head.size and merkle.root(log, old.size) == old.root
    except (EmeritusError, UnicodeDecodeError):
        same = False
    if not same:
        raise Conflict(
            f"The record in {folder} is another one, or has entries that are not here.",
            next_step="Keep that copy, and find out why: `emeritus record verify`. Export into another folder.",
        )
    return old.size


def _write_tile(files: "_Files", log: Log, tile: Tile, before: int) -> None:
    path = f"record/{tile.path}"
    if tile.fits(before) and files.has(path):
        return
    begin = tile.position * WIDTH
    if tile.level is not None:
        files.put(path, log.tile(tile.level, tile.position, tile.width))
        return
    rows = log.entries(begin=begin, limit=tile.width)
    try:
        files.put(path, bundle([entry.data for entry in rows]))
    except TooLong:
        for entry in rows:
            files.put(f"record/{entry.seq}.json", entry.data)


@define
class _Files:
    """A folder in which each file is written whole, or not at all."""

    folder: Path
    written: int = 0
    kept: int = 0
    _mine: set[str] = field(factory=set)
    _fresh: list[tuple[Path, Path]] = field(factory=list)

    @property
    def paths(self) -> frozenset[str]:
        """All paths that are in the copy until now."""
        return frozenset(self._mine)

    def has(self, path: str) -> bool:
        """Tell whether a file is there that never changes; it stays then."""
        there = (self.folder / path).is_file()
        if there:
            self.keep(path)
            self.kept += 1
        return there

    def keep(self, path: str) -> None:
        self._mine.add(path)

    def put(self, path: str, data: bytes) -> None:
        """Write *data* beside *path*; `sync` puts it in its place."""
        self.keep(path)
        target = self.folder / path
        with suppress(FileNotFoundError, NotADirectoryError):
            if target.read_bytes() == data:
                self.kept += 1
                return
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.part")
        draft.write_bytes(data)
        self._fresh.append((draft, target))
        self.written += 1

    def write(self, path: str, data: bytes) -> None:
        """Put *data* at *path* in one step, now."""
        begin = len(self._fresh)
        self.put(path, data)
        for draft, target in self._fresh[begin:]:
            draft.replace(target)
        del self._fresh[begin:]

    def sync(self) -> None:
        """Bring all drafts onto the disk, then each to its place."""
        with ThreadPoolExecutor(
            _SYNCS
        ) as many:  # a disk that is asked for many at once answers once for them
            list(many.map(_sync, [draft for draft, _ in self._fresh]))
            folders = set()
            for draft, target in self._fresh:
                draft.replace(target)
                folders.add(target.parent)
            list(many.map(_sync, folders))
        self._fresh.clear()

    def sweep(self, spare: set[str]) -> int:
        """Remove what is not public any more, and partial tiles that nobody asks for."""
        removed = 0
        for path in self._walk():
            name = path.relative_to(self.folder).as_posix()
            spared = name.removeprefix("record/") in spare
            if name not in self._mine and not spared:
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def _walk(self) -> Iterator[Path]:
        for top in {*_OWN, *(name.partition("/")[0] for name in self._mine)}:
            for here, _, names in os.walk(self.folder / top):
                yield from (Path(here, name) for name in names)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
