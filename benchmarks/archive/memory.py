"""Take a model of 20 GB through the archive with little memory: ``make bench-archive-memory``.

The model is made with holes, so that it takes next to no disk before it is archived: a big shard and several smaller
ones, every tensor different. Each step runs in a process of its own under RLIMIT_AS, a hard limit on *all* address
space (code, threads' stacks and mapped files included, the page cache not), and tells the most memory that it held
(VmHWM: resident, mapped files included). Then a second model, made from the first, is stored as a difference from it.
"""

import argparse
import json
import os
import resource
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from benchmarks import results
from rich.console import Console
from rich.table import Table

LIMIT = 2 << 30
ROWS, COLUMNS = 16384, 4096
TENSOR = ROWS * COLUMNS * 2
"""Bytes of one BF16 tensor: 128 MiB."""
REAL = 1 << 20
"""Bytes of each tensor that are not zero: the rest is a hole."""
BIG = 8
"""The first tensor of the big shard is so many times longer."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.archive.memory", description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("var/bench/memory"))
    parser.add_argument("--gb", type=float, default=20.0)
    parser.add_argument("--limit", type=int, default=LIMIT, help="bytes of address space")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="keep what is said in benchmarks/RESULTS.md")
    chosen = parser.parse_args()
    machine = results.machine()
    if chosen.step:
        _step(chosen.step, chosen.home, chosen.limit)
        return
    shutil.rmtree(chosen.home, ignore_errors=True)
    size = make(chosen.home / "model", int(chosen.gb * 1e9), seed=1)
    second = make(chosen.home / "tune", int(chosen.gb * 1e9 / 5), seed=1, moved=True)
    sizes = {
        "ingest": size,
        "verify": size,
        "restore": size,
        "difference": second,
        "restore difference": second,
    }
    table = Table(title=f"{size / 1e9:.1f} GB under RLIMIT_AS of {chosen.limit / 2**30:.2f} GiB, 2 threads")
    for title in ("step", "raw GB", "seconds", "MB/s", "peak resident", "peak address space", "stored MB"):
        table.add_column(title, justify="left" if title == "step" else "right")
    told = []
    for step, raw in sizes.items():
        print(f"[memory] {step}", file=sys.stderr, flush=True)
        command = [
            sys.executable,
            "-m",
            "benchmarks.archive.memory",
            "--step",
            step,
            "--home",
            str(chosen.home),
        ]
        done = subprocess.run(
            [*command, "--limit", str(chosen.limit)], stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            told.append({"step": step, "failed": done.returncode})
            table.add_row(step, f"{raw / 1e9:.1f}", f"failed ({done.returncode})")
            continue
        one = json.loads(done.stdout.splitlines()[-1]) | {"step": step, "raw": raw}
        told.append(one)
        table.add_row(
            step,
            f"{raw / 1e9:.1f}",
            f"{one['seconds']:.0f}",
            f"{raw / one['seconds'] / 1e6:.0f}",
            f"{one['resident'] / 2**20:.0f} MiB",
            f"{one['address_space'] / 2**20:.0f} MiB",
            f"{one['stored'] / 1e6:.1f}",
        )
    console = Console(width=None if sys.stdout.isatty() else 120, record=True)
    console.print(table)
    shutil.rmtree(chosen.home)
    resident = max((one.get("resident", 0) for one in told), default=0)
    failed = [one["step"] for one in told if "failed" in one]
    last = json.dumps(
        {"memory_raw_bytes": size, "memory_limit": chosen.limit, "memory_peak": resident, "failed": failed}
    )
    if chosen.write:
        results.write("memory", "make bench-archive-memory", machine, console.export_text() + "\n" + last, [])
    print(last)
    sys.exit(bool(failed))


def make(folder: Path, total: int, *, seed: int, moved: bool = False) -> int:
    """Make a model of about *total* bytes with holes: one shard of three fifths, the rest in four; return its bytes."""
    folder.mkdir(parents=True)
    tensors = max(BIG + 6, total // TENSOR)
    big = tensors * 3 // 5
    shares = [big, *(len(part) for part in np.array_split(range(tensors - big), 4))]
    placed, number, written = {}, 0, 0
    for at, share in enumerate(shares, 1):
        name = f"model-{at:05}-of-{len(shares):05}.safetensors"
        shapes = [BIG * ROWS] + [ROWS] * (share - BIG) if at == 1 else [ROWS] * share
        header, end = {"__metadata__": {"format": "pt"}}, 0
        for rows in shapes:
            title = f"layers.{number}.weight"
            length = rows * COLUMNS * 2
            header[title] = {"dtype": "BF16", "shape": [rows, COLUMNS], "data_offsets": [end, end + length]}
            placed[title] = name
            end += length
            number += 1
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with (folder / name).open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            file.truncate(8 + len(text) + end)
            for title, facts in header.items():
                if title == "__metadata__":
                    continue
                begin, stop = facts["data_offsets"]
                key = int(title.split(".")[1])
                for place in range(begin, stop, TENSOR):  # at the beginning of each 128 MiB
                    file.seek(8 + len(text) + place)
                    file.write(_weights(seed, key, (place - begin) // TENSOR, moved=moved))
        written += 8 + len(text) + end
    index = {"metadata": {"total_size": written}, "weight_map": placed}
    text = json.dumps(index, indent=1).encode()
    (folder / "model.safetensors.index.json").write_bytes(text)
    return written + len(text)


def _weights(seed: int, tensor: int, part: int, *, moved: bool) -> bytes:
    chance = np.random.default_rng([seed, tensor, part])
    values = chance.normal(0, 0.02, REAL // 2).astype("<f4")
    if moved:
        values += chance.normal(0, 2e-5, values.size).astype("<f4")
    return (values.view("<u4") >> 16).astype("<u2").tobytes()


def _step(step: str, home: Path, limit: int) -> None:
    os.environ["OPENBLAS_NUM_THREADS"] = "2"
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    from benchmarks.archive.ours import THREADS, Archive

    from emeritus.archive import held, load, restore, verify

    archive = Archive(home / "archive", "dense")
    began = time.perf_counter()
    manifests = {model: load(model, digest, archive.blobs) for model, digest in held(archive.blobs)}
    match step:
        case "ingest":
            archive.add(home / "model", "model")
        case "difference":
            archive.add(home / "tune", "tune", manifests["model"])
        case "verify":
            report = verify(manifests["model"], archive.blobs, threads=THREADS)
            if not report.is_sound:
                raise SystemExit("the archive is damaged")
        case "restore" | "restore difference":
            target = home / "back"
            restore(
                manifests["model" if step == "restore" else "tune"], archive.blobs, target, threads=THREADS
            )
            shutil.rmtree(target)
    seconds = time.perf_counter() - began
    status = dict(
        line.split(":", 1)
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("Vm")
    )
    told = {
        "seconds": seconds,
        "resident": int(status["VmHWM"].split()[0]) * 1024,
        "address_space": int(status["VmPeak"].split()[0]) * 1024,
        "stored": archive.stored(),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
