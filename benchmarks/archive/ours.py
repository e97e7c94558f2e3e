"""Emeritus, measured end to end through the public API of `emeritus.archive`.

What counts as stored is every byte that comes to lie in the store: objects with their headers and tables, manifest,
signature, sketches, and what the archive ships for strangers. Parity is counted apart.
"""

import hashlib
import os
import shutil
import time
from pathlib import Path

from attrs import frozen

from emeritus.archive import Manifest, ingest, inspect, load, restore
from emeritus.archive.parity import protect
from emeritus.archive.relatives import Relatives
from emeritus.store.blobs import FolderBlobs

THREADS = 2
PROFILES = ("dense", "fast")
PARITY = "parity"


def sign(manifest: bytes) -> bytes:
    """Return as many bytes as an Ed25519 signature has."""
    return hashlib.sha512(manifest).digest()


@frozen
class Archive:
    """One archive in *folder*: a store, and the index of relatives beside it."""

    folder: Path
    profile: str

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def blobs(self) -> FolderBlobs:
        return FolderBlobs(self.store)

    def add(self, source: Path, model: str, base: Manifest | None = None, *, find: bool = False) -> Manifest:
        """Ingest *source*; as a difference from *base*, or from what the archive finds by itself (*find*)."""
        if not find:
            return self._ingest(source, model, base, None)
        with Relatives(self.folder / "index") as relatives:
            return self._ingest(source, model, base, relatives)

    def _ingest(
        self, source: Path, model: str, base: Manifest | None, relatives: Relatives | None
    ) -> Manifest:
        return ingest(
            inspect(source),
            model,
            self.blobs,
            sign=sign,
            base=base,
            relatives=relatives,
            profile=self.profile,
            threads=THREADS,
        ).manifest

    def protect(self, manifest: Manifest) -> float:
        """Write the parity that a base gets with its first dependant; return the seconds that it took."""
        began = time.perf_counter()
        protect(self.blobs, manifest.objects)
        return time.perf_counter() - began

    def give_back(self, manifest: Manifest, target: Path) -> Path:
        """Restore *manifest* into *target* from its stored bytes, as a stranger to this process would."""
        (path,) = restore(
            load(manifest.model, manifest.digest, self.blobs), self.blobs, target, threads=THREADS
        )
        return path

    def stored(self) -> int:
        """Return the bytes in the store but for parity."""
        return self._bytes() - self.parity()

    def parity(self) -> int:
        return self._bytes(PARITY)

    def _bytes(self, below: str = "") -> int:
        return sum(path.stat().st_size for path in (self.store / below).rglob("*") if path.is_file())

    def copy(self, folder: Path) -> "Archive":
        """Return an archive in *folder* with the same contents; blobs are written once, so links do."""
        shutil.copytree(self.folder, folder, copy_function=_link)
        return Archive(folder, self.profile)

    def warm(self) -> None:
        """Read everything once, so that it lies in the page cache."""
        for path in self.store.rglob("*"):
            if path.is_file():
                path.read_bytes()


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
