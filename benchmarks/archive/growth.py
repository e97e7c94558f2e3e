"""Does the 10,000th model cost what the 10th does? A catalogue of small models: ``make bench-archive-growth``.

Families of one base and nine fine-tunes, four tensors each; the archive finds the relatives by itself. After 10,
100, 1,000 and 10,000 models: the median time of bringing in and of giving back each of the last ones, and what that
asks of the store. The store is a folder in memory, so that no disk's cache is measured.
"""

import argparse
import gc
import json
import shutil
import statistics
import struct
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from benchmarks import results
from benchmarks.archive import plots
from benchmarks.archive.ours import sign
from rich.console import Console
from rich.table import Table

from emeritus.archive import Manifest, ingest, inspect, load, restore
from emeritus.archive.relatives import Relatives
from emeritus.store.blobs import FolderBlobs

SIZES = (10, 100, 1_000, 10_000)
LAST = 20  # models that a median is taken over
FAMILY = 10
TENSORS = 4
ROWS, COLUMNS = 64, 64  # F32: 16 KiB a tensor
ASKED = (
    "put_if_absent",
    "replace",
    "put_together",
    "get",
    "get_range",
    "peek",
    "size",
    "exists",
    "list",
    "delete",
    "sweep",
)


class Counting:
    """A store that counts what it is asked."""

    def __init__(self, blobs: FolderBlobs) -> None:
        self._blobs = blobs
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str):
        asked = getattr(self._blobs, name)
        if name in ASKED:
            self.asked[name] += 1
        return asked


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.archive.growth", description=__doc__)
    parser.add_argument("--most", type=int, default=SIZES[-1])
    parser.add_argument("--plots", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--in", dest="place", type=Path, default=Path("/dev/shm"))
    parser.add_argument("--write", action="store_true", help="keep what is said in benchmarks/RESULTS.md")
    chosen = parser.parse_args()
    machine = results.machine()
    place = chosen.place if chosen.place.is_dir() else None
    with tempfile.TemporaryDirectory(dir=place, prefix="emeritus-growth-") as folder:
        rows = measure(Path(folder), [size for size in SIZES if size <= chosen.most])
    table = Table(title=f"The Nth model of a catalogue (families of {FAMILY}, {TENSORS} tensors of 16 KiB)")
    for title in (
        "N",
        "in, ms",
        "back, ms",
        "store asked, in",
        "store asked, back",
        "of which writes",
        "differences",
        "stored a model, KB",
    ):
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(
            f"{row['models']:,}",
            f"{row['ingest_ms']:.1f}",
            f"{row['restore_ms']:.1f}",
            f"{row['ingest_asked']:.0f}",
            f"{row['restore_asked']:.0f}",
            f"{row['writes']:.0f}",
            f"{row['differences']:.1f}",
            f"{row['stored'] / row['models'] / 1e3:.0f}",
        )
    console = Console(width=None if sys.stdout.isatty() else 140, record=True)
    console.print(table)
    drawn = plots.catalogue(rows, chosen.plots / "catalogue.svg")
    last = json.dumps({"growth": rows})
    if chosen.write:
        results.write("growth", "make bench-archive-growth", machine, console.export_text(), [drawn])
    print(last)


def measure(folder: Path, sizes: list[int]) -> list[dict]:
    """Fill a catalogue and return what was measured at each of *sizes*."""
    blobs = Counting(FolderBlobs(folder / "store"))
    rows = []
    recent: list[dict] = []
    with Relatives(folder / "index") as relatives:
        for number in range(sizes[-1]):
            source = _model(folder / "source", number)
            blobs.asked.clear()
            began = time.perf_counter()
            stored = ingest(
                inspect(source),
                f"model-{number}",
                blobs,
                sign=sign,
                relatives=relatives,
                profile="dense",
                threads=2,
            )
            took = time.perf_counter() - began
            recent.append(
                {"took": took, "asked": Counter(blobs.asked), "stored": stored, "source": source.read_bytes()}
            )
            del recent[:-LAST]
            if number + 1 in sizes:
                rows.append({"models": number + 1, **_row(recent, blobs, folder)})
                print(f"[growth] {number + 1} models", file=sys.stderr, flush=True)
                gc.collect()
    return rows


def _row(recent: list[dict], blobs: Counting, folder: Path) -> dict:
    times, asked = [], []
    for one in recent:
        manifest: Manifest = one["stored"].manifest
        target = folder / "back"
        blobs.asked.clear()
        began = time.perf_counter()
        (path,) = restore(load(manifest.model, manifest.digest, blobs), blobs, target, threads=2)
        times.append(time.perf_counter() - began)
        asked.append(sum(blobs.asked.values()))
        if path.read_bytes() != one["source"]:
            raise SystemExit("what came back are other bytes")
        shutil.rmtree(target)
    writes = ("put_if_absent", "replace", "put_together")
    return {
        "ingest_ms": statistics.median(one["took"] for one in recent) * 1e3,
        "restore_ms": statistics.median(times) * 1e3,
        "ingest_asked": statistics.median(sum(one["asked"].values()) for one in recent),
        "restore_asked": statistics.median(asked),
        "writes": statistics.median(sum(one["asked"][name] for name in writes) for one in recent),
        "differences": statistics.mean(getattr(one["stored"], "differences", 0) for one in recent),
        "stored": sum(path.stat().st_size for path in (folder / "store").rglob("*") if path.is_file()),
    }


def _model(folder: Path, number: int) -> Path:
    """Write the model with this number: the base of its family, or that base a little moved."""
    folder.mkdir(exist_ok=True)
    family, member = divmod(number, FAMILY)
    values = np.random.default_rng([7, family]).normal(0, 0.04, (TENSORS, ROWS * COLUMNS)).astype("<f4")
    if member:
        values += np.random.default_rng([7, family, member]).normal(0, 1e-5, values.shape).astype("<f4")
    size = ROWS * COLUMNS * 4
    header = {
        f"layers.{n}.weight": {
            "dtype": "F32",
            "shape": [ROWS, COLUMNS],
            "data_offsets": [n * size, (n + 1) * size],
        }
        for n in range(TENSORS)
    }
    text = json.dumps(header).encode()
    path = folder / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + values.tobytes())
    return path


if __name__ == "__main__":
    main()
