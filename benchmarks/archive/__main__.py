"""Run Emeritus and its peers on the same weights and print what each reaches: ``make bench-archive``."""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import attrs
from benchmarks import results as kept
from benchmarks.archive import bounds, data, peers, plots, report
from benchmarks.archive.measure import Task
from benchmarks.archive.ours import PROFILES
from rich.console import Console

ROOM = 3_000_000_000  # bytes of work space that a run needs
PATIENCE = 420  # seconds for one contender's one task


def main() -> None:
    chosen = _arguments()
    peers.calm()
    began = time.perf_counter()
    machine = kept.machine()
    home: Path = chosen.home.resolve()
    folder: Path = (chosen.family or home / "family").resolve()
    say(f"The family in {folder} (trained when it is not there)")
    data.complete(folder)
    gguf, what = data.quantised(home, chosen.gguf)
    todo = tasks(folder, gguf, quick=chosen.quick)
    results: report.Results = {}
    notes: dict[str, str] = {}
    missing = []
    contenders = [f"emeritus {profile}" for profile in PROFILES]
    for peer in peers.PEERS:
        found = peers.installed(peer)
        if found is None:
            missing.append(f"{peer.name} ({peer.package})")
            continue
        contenders.append(peer.name)
        notes[peer.name] = f"{peer.package} {found}" + (f"; {peer.says}" if peer.says else "")
    with tempfile.TemporaryDirectory(dir=_memory(home), prefix="emeritus-bench-") as work:
        for name in contenders:
            if not chosen.only or any(word in name for word in chosen.only):
                results[name] = run(name, _for(name, todo), Path(work), home / "disk")
    shutil.rmtree(home / "disk", ignore_errors=True)
    say("entropies")
    allowed = _bounds(folder)
    facts = {
        "raw_bf16": data.member(folder, "base", "bf16").stat().st_size,
        "raw_f32": data.member(folder, "base", "f32").stat().st_size,
        "gguf": what,
        "not_installed": missing,
        "failed": sorted(
            f"{name}: {task}" for name, by in results.items() for task in by if "failed" in by[task]
        ),
        "machine": machine,
        "seconds": round(time.perf_counter() - began),
    }
    console = Console(width=None if sys.stdout.isatty() else 170, record=True)
    report.tables(console, results, allowed, facts, notes)
    console.print(f"GGUF: {what}.", highlight=False)
    for name, found in results.items():
        for task, one in found.items():
            if "failed" in one:
                console.print(
                    f"{name} failed at {task}: {one['failed']}", style="red", highlight=False, markup=False
                )
    for absent in missing:
        console.print(f"{absent} is not installed and was not measured.", style="red", highlight=False)
    drawn = plots.draw(results, allowed, chosen.plots, {"bf16": facts["raw_bf16"], "f32": facts["raw_f32"]})
    last = json.dumps(report.headline(results, allowed, facts))
    if chosen.write:
        said = console.export_text() + "\n" + last
        kept.write("archive", "make bench-archive", machine, said, drawn)
    console.print("Drawn: " + ", ".join(map(str, drawn)), highlight=False)
    (home / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(last, flush=True)


def tasks(folder: Path, gguf: Path | None, *, quick: bool = False) -> list[Task]:
    """Return all that is measured."""
    made = []
    for kind in ("bf16", "f32"):
        base = str(data.member(folder, "base", kind))
        made.append(Task(f"alone_{kind}", kind, base, disk=True))
        made += [
            Task(
                f"delta{steps}_{kind}",
                kind,
                str(data.member(folder, f"tune{steps}", kind)),
                base,
                disk=steps == 200,
            )
            for steps in (50, 200)
        ]
    bare = str(data.without_embeddings(folder, "base"))
    made += [
        Task(
            f"delta{steps}_bf16_noembed",
            "bf16",
            str(data.without_embeddings(folder, f"tune{steps}")),
            bare,
            timed=False,
        )
        for steps in (50, 200)
    ]
    if gguf is not None:
        made.append(Task("gguf", "gguf", str(gguf)))
        made.append(Task("gguf_64mib", "gguf", str(data.beginning(gguf, folder)), timed=False))
    if not quick:
        for kind in ("bf16", "f32"):
            files = tuple(str(data.member(folder, name, kind)) for name in data.family.NAMES)
            made.append(Task(f"family_{kind}", kind, family=files))
    return made


def run(contender: str, todo: list[Task], work: Path, disk: Path) -> dict[str, dict]:
    """Measure one contender; a task at which its process dies is told as failed, the rest goes on."""
    found: dict[str, dict] = {}
    while left := [task for task in todo if task.name not in found]:
        order = {
            "contender": contender,
            "work": str(work / "work"),
            "disk": str(disk),
            "tasks": [attrs.asdict(task) for task in left],
        }
        environment = os.environ | {"HF_XET_CACHE": str(work / "xet-cache")}
        child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.archive.measure"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        patience = threading.Timer(PATIENCE * len(left), child.kill)
        patience.start()
        with child:
            child.stdin.write(json.dumps(order))
            child.stdin.close()
            for line in child.stdout:
                if line.startswith("@"):
                    one = json.loads(line[1:])
                    found[one["task"]] = one
                    say(f"  {contender}: {one['task']} {told(one)}")
        patience.cancel()
        for task in left:
            if task.name not in found:
                found[task.name] = {"task": task.name, "failed": f"its process ended with {child.returncode}"}
                break
    return found


def told(one: dict) -> str:
    if "failed" in one:
        return f"failed: {one['failed']}"
    if "growth" in one:
        return f"{one['growth'][-1] / 1e6:.1f} MB in the end"
    back = one["raw"] / statistics.median(one["restore_s"]) / 1e6
    return f"{one['raw'] / one['stored']:.3f}, back at {back:,.0f} MB/s"


def _for(name: str, todo: list[Task]) -> list[Task]:
    if name.startswith("emeritus "):
        return todo
    peer = peers.by_name(name)
    return [
        task
        for task in todo
        if (
            (task.family and (peer.differs or task.kind == "bf16"))
            or (task.base and peer.differs)
            or (not task.base and not task.family and peer.alone and (peer.quantised or task.kind != "gguf"))
        )
    ]


def _bounds(folder: Path) -> dict[str, float]:
    base = data.member(folder, "base", "bf16")
    found = {
        "alone_bf16": bounds.alone_bf16(base),
        "alone_f32": bounds.alone_f32(data.member(folder, "base", "f32")),
    }
    for steps in (50, 200):
        tune = data.member(folder, f"tune{steps}", "bf16")
        found[f"delta{steps}_bf16"] = bounds.difference_bf16(tune, base)
        found[f"delta{steps}_bf16_noembed"] = bounds.difference_bf16(tune, base, leave_out=data.EMBEDDINGS)
    return found


def _memory(home: Path) -> Path:
    """Return a folder in memory with room, else one on the disk."""
    shared = Path("/dev/shm")
    if shared.is_dir() and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > ROOM:
        return shared
    say(f"There is no folder in memory with room; the work is done on the disk, below {home}.")
    home.mkdir(parents=True, exist_ok=True)
    return home


def say(what: str) -> None:
    print(f"[bench] {what}", file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.archive", description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("var/bench"), help="where data and work lie")
    parser.add_argument("--family", type=Path, help="a family that was trained before")
    parser.add_argument("--gguf", type=Path, help="another GGUF file than Gemma's")
    parser.add_argument(
        "--plots", type=Path, default=Path("benchmarks/results"), help="where the pictures go"
    )
    parser.add_argument("--only", nargs="*", help="only contenders with one of these words in their name")
    parser.add_argument("--quick", action="store_true", help="leave out the growth of the family")
    parser.add_argument("--write", action="store_true", help="keep what is said in benchmarks/RESULTS.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
