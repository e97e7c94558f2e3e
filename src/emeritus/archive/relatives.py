"""Relatives: which stored tensors a new one is likely to be near to.

`Relatives` is an index of sketches in a local SQLite file. It can be thrown away: it is made again from
the sketches that lie in the store. A lookup costs the same among ten models and among ten thousand.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from emeritus.archive import sketches
from emeritus.archive.drafts import make_folder
from emeritus.archive.errors import StoreFailed
from emeritus.archive.ports import Blobs
from emeritus.archive.sketches import Bands, Sketch

FILE = "relatives.sqlite3"
MANY = 8
"""Objects kept under one band: the first ones, on which families stand."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS manifests (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bands (band INTEGER, place INTEGER, object BLOB, PRIMARY KEY (band, place)) WITHOUT ROWID;
"""


class Relatives:
    """An index of sketches in *folder*; use it as a context manager, from any thread.

    Raises StoreFailed when the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._lock = threading.Lock()
        self._held: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._held is not None:
                self._held.close()
                self._held = None

    @property
    def is_new(self) -> bool:
        """True when nothing was ever put in: `refresh` fills it from the store."""
        with self._open() as index:
            return index.execute("SELECT 1 FROM manifests LIMIT 1").fetchone() is None

    def near(self, bands: Bands, limit: int = 2) -> list[str]:
        """Return the objects that share most of *bands*, the nearest first."""
        told = [band for band in bands if band]
        marks = ",".join("?" * len(told))
        with self._open() as index:
            found = index.execute(
                f"SELECT object FROM bands WHERE band IN ({marks}) GROUP BY object "  # noqa: S608 - question marks only
                "ORDER BY count(*) DESC, min(place), object LIMIT ?",
                (*told, limit),
            ).fetchall()
        return [row[0].hex() for row in found]

    def add(self, path: str, held: Iterable[Sketch]) -> None:
        """Take in the sketches that lie at the blob *path*. Adding them twice changes nothing."""
        with self._open() as index:
            if not index.execute("INSERT OR IGNORE INTO manifests VALUES (?)", (path,)).rowcount:
                return
            for sketch in held:
                name = bytes.fromhex(sketch.object)
                for band in sketch.bands:
                    if not band:
                        continue
                    there = index.execute("SELECT object FROM bands WHERE band = ?", (band,)).fetchall()
                    if len(there) < MANY and (name,) not in there:
                        index.execute(
                            "INSERT OR IGNORE INTO bands VALUES (?, ?, ?)", (band, len(there), name)
                        )

    def refresh(self, blobs: Blobs) -> int:
        """Take in what other writers stored; return how many manifests were new. Costs one listing."""
        new = 0
        for path in blobs.list(sketches.FOLDER):
            with self._open() as index:
                known = index.execute("SELECT 1 FROM manifests WHERE path = ?", (path,)).fetchone()
            if not known:
                self.add(path, sketches.load(path, blobs))
                new += 1
        return new

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._held is None:
                    self._held = self._connected()
                with self._held:
                    yield self._held
            except (sqlite3.Error, OSError) as why:
                raise StoreFailed(
                    f"The index of relatives at {self.path} cannot be used: {why}.",
                    next_step="Remove that file; it is made again from the archive.",
                ) from why

    def _connected(self) -> sqlite3.Connection:
        make_folder(self.path.parent)
        try:
            return self._connect()
        except sqlite3.DatabaseError as why:
            if isinstance(why, sqlite3.OperationalError):  # busy, or no right to write
                raise
            for suffix in ("", "-wal", "-shm"):  # no index at all: it holds nothing that is not in the store
                with suppress(FileNotFoundError):
                    self.path.with_name(self.path.name + suffix).unlink()
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        index = sqlite3.connect(self.path, timeout=30, check_same_thread=False)
        index.execute("PRAGMA journal_mode = WAL")
        index.execute("PRAGMA synchronous = NORMAL")
        index.executescript(_SCHEMA)
        return index
