"""Models restored for engines: what is called often lies ready, uncompressed, within a budget of bytes.

Any number of processes may share the folder. A model that an engine reads is held and stays; of the others the
one that was asked for least, and longest ago, makes room. Files that lie ready are handed out at once and read
and compared with their digests meanwhile: `vouch` waits for that, so that an engine may load while its file is
checked, and never speaks from one that has decayed.

    MODEL/…         the model's files
    .held/MODEL     locked while the model is held; how much it was asked for, and when
"""

import fcntl
import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import structlog
from attrs import define, field
from blake3 import blake3

from emeritus.archive.drafts import disk_errors, is_regular
from emeritus.archive.errors import CacheFull, FileDecayed
from emeritus.archive.manifest import FileRecipe, Manifest
from emeritus.archive.ports import Blobs, Progress, quiet
from emeritus.archive.restore import restore

_HELD = ".held"
_HALVES = 7 * 24 * 3600.0
_PIECE = 4 << 20
log = structlog.get_logger("emeritus.restored")


class _Heat(msgspec.Struct):
    """How much a model was asked for, each time with a weight that halves in a week; bytes that are on the way."""

    heat: float = 0.0
    at: float = 0.0
    coming: int = 0

    def now(self, at: float) -> float:
        return self.heat * math.exp2(-max(0.0, at - self.at) / _HALVES)


@define
class _Hold:
    fd: int
    holders: int = 0
    checked: "Future[None]" = field(factory=Future)


class Restored:
    """Restored models below *folder*, of at most *budget* bytes together; None for no bound.

    Whoever finds no room waits up to *patience* seconds for this process to let go of a model.
    """

    def __init__(
        self,
        folder: Path,
        budget: int | None = None,
        *,
        patience: float = 60.0,
        ticks: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.budget = budget
        self._patience = patience
        self._ticks = ticks
        self._guard = threading.Lock()
        self._freed = threading.Condition()
        self._holds: dict[str, _Hold] = {}
        self._restoring: dict[str, threading.Lock] = {}

    def hold(self, manifest: Manifest, blobs: Blobs, *, progress: Progress = quiet) -> tuple[Path, ...]:
        """Return where the files of a model are, restored when they are not here; they stay until `let_go`.

        Raises:
            CacheFull: there is no room beside what is held. Others: as `restore`.
        """
        model = manifest.model
        with self._guard:
            hold = self._holds.get(model)
            if hold is None:
                hold = self._holds[model] = _Hold(self._locked(model))
            hold.holders += 1
            turn = self._restoring.setdefault(model, threading.Lock())
        try:
            with turn:
                places = tuple(self.folder / model / file.name for file in manifest.files)
                if hold.checked.done() and hold.checked.exception() is not None:
                    hold.checked = Future()
                if not all(
                    _looks_right(file, path) for file, path in zip(manifest.files, places, strict=True)
                ):
                    self._discard(model)
                    self._await_room(manifest)
                    places = restore(manifest, blobs, self.folder / model, progress=progress)
                    self._note_coming(model, 0)
                    hold.checked = Future()
                    hold.checked.set_result(None)
                elif not hold.checked.running() and not hold.checked.done():
                    hold.checked.set_running_or_notify_cancel()
                    args = (manifest, places, hold.checked)
                    threading.Thread(target=_check, args=args, name=f"check {model}", daemon=True).start()
        except BaseException:
            self.let_go(model)
            raise
        return places

    def vouch(self, model: str) -> None:
        """Wait until the files of a model that is held have been compared with their digests.

        Raises:
            FileDecayed: they are not what was archived; they are thrown away, to be restored anew.
        """
        with self._guard:
            hold = self._holds.get(model)
        if hold is None:
            return
        try:
            hold.checked.result()
        except FileDecayed:
            log.warning("a restored file had decayed and is thrown away", model=model)
            self._discard(model)
            raise

    def let_go(self, model: str) -> None:
        """Hold a model no longer; when nobody does, it may make room for others."""
        with self._guard:
            hold = self._holds.get(model)
            if hold is None:
                return
            hold.holders -= 1
            if not hold.holders:
                del self._holds[model]
                os.close(hold.fd)
        with self._freed:
            self._freed.notify_all()

    def used(self) -> dict[str, int]:
        """Return the bytes of each model that lies here, one on its way counted whole."""
        if not self.folder.is_dir():
            return {}
        here = {
            path.name: _size(path)
            for path in self.folder.iterdir()
            if path.is_dir() and not path.name.startswith(".")
        }
        if (self.folder / _HELD).is_dir():
            for path in (self.folder / _HELD).iterdir():
                if (coming := _heat(path).coming) > here.get(path.name, 0):
                    here[path.name] = coming
        return here

    # -- inside ---------------------------------------------------------------

    def _locked(self, model: str) -> int:
        """Return a descriptor whose lock tells other processes that the model is held; count the asking."""
        with disk_errors(str(self.folder)):
            (self.folder / _HELD).mkdir(parents=True, exist_ok=True)
            path = self.folder / _HELD / model
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            fcntl.flock(fd, fcntl.LOCK_SH)
            now = self._ticks()
            before = _heat(path)
            _write(path, _Heat(before.now(now) + 1.0, now, before.coming))
        return fd

    def _note_coming(self, model: str, size: int) -> None:
        path = self.folder / _HELD / model
        _write(path, msgspec.structs.replace(_heat(path), coming=size))

    def _await_room(self, manifest: Manifest) -> None:
        until = time.monotonic() + self._patience
        while True:
            with self._freed:
                try:
                    self._make_room(manifest)
                except CacheFull:
                    if not self._freed.wait(until - time.monotonic()):
                        raise
                else:
                    return

    def _make_room(self, manifest: Manifest) -> None:
        if self.budget is None:
            return
        with self._alone():
            used = self.used()
            used.pop(manifest.model, None)
            lacking = sum(used.values()) + manifest.size - self.budget
            now = self._ticks()
            coldest = sorted(used, key=lambda model: _heat(self.folder / _HELD / model).now(now))
            for model in coldest:
                if lacking <= 0:
                    break
                if self._remove_unheld(model):
                    lacking -= used[model]
            if lacking <= 0:
                self._note_coming(manifest.model, manifest.size)
        if lacking > 0:
            raise CacheFull(
                f"There is no room to restore {manifest.model} ({manifest.size / 1e9:.1f} GB): what lies there is being used.",
                next_step="Call again in a while, or raise the budget for restored weights (cache_budget).",
            )

    def _remove_unheld(self, model: str) -> bool:
        """Remove a model that no process holds; tell whether it is gone."""
        with self._guard:
            if model in self._holds:
                return False
        fd = os.open(self.folder / _HELD / model, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._discard(model)
            self._note_coming(model, 0)
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
        return True

    def _discard(self, model: str) -> None:
        with disk_errors(str(self.folder / model)), suppress(FileNotFoundError):
            shutil.rmtree(self.folder / model)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process at a time make room."""
        fd = os.open(self.folder / _HELD / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def _heat(path: Path) -> _Heat:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Heat)
    except (OSError, msgspec.MsgspecError):
        return _Heat()


def _write(path: Path, heat: _Heat) -> None:
    """Write in place: the file is the lock, and must stay the same one."""
    data = msgspec.json.encode(heat)
    with path.open("r+b") as file:
        file.write(data)
        file.truncate()


def _looks_right(file: FileRecipe, path: Path) -> bool:
    return is_regular(path) and path.lstat().st_size == file.size


def _check(manifest: Manifest, places: tuple[Path, ...], told: "Future[None]") -> None:
    try:
        for file, path in zip(manifest.files, places, strict=True):
            hasher = blake3()
            with path.open("rb") as held:
                while data := held.read(_PIECE):
                    hasher.update(data)
            if hasher.hexdigest() != file.blake3:
                raise _decayed(manifest.model, file.name)
    except OSError:
        told.set_exception(_decayed(manifest.model, "a file"))
    except BaseException as why:  # noqa: BLE001 - whoever waits for it gets it
        told.set_exception(why)
    else:
        told.set_result(None)


def _decayed(model: str, name: str) -> FileDecayed:
    return FileDecayed(
        f"{name} of {model}, as it was restored, is not what was archived any more.",
        next_step="It was thrown away; call again, and it is restored anew.",
    )


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
