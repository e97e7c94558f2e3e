"""Measure one contender in a process of its own: tasks as JSON on stdin, one line of JSON for each on stdout.

A contender that dies takes only its task with it; `run` starts it again for the rest.
"""

import json
import shutil
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from attrs import frozen
from benchmarks.archive import peers

PIECE = 4 << 20
REPEATS = 11
AT_LEAST = 3
BUDGET = 6.0  # seconds for the repeats of one figure, of which there are at least three
SLOW = 8.0  # a step that takes longer is run once


@frozen
class Task:
    """What to measure: a *source* of a *kind*, against *base* unless that is None; or the growth of *family*.

    *timed* asks for medians, *disk* for a run on the disk too.
    """

    name: str
    kind: str
    source: str = ""
    base: str | None = None
    family: tuple[str, ...] = ()
    timed: bool = True
    disk: bool = False


def main() -> None:
    peers.calm()
    order = json.load(sys.stdin)
    work = Path(order["work"])
    contender = order["contender"]
    profile = contender.removeprefix("emeritus ") if contender.startswith("emeritus ") else None
    for raw in order["tasks"]:
        task = Task(**{**raw, "family": tuple(raw["family"])})
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            found = _ours(profile, task, work, order) if profile else _peer(contender, task, work)
        except Exception as why:  # noqa: BLE001 - whatever a contender raises is told, and the rest goes on
            traceback.print_exc()
            found = {"failed": f"{type(why).__name__}: {' '.join(str(why).split())[:200]}"}
        found |= {"task": task.name, "rss": peak_memory()}
        print("@" + json.dumps(found), flush=True)
    shutil.rmtree(work, ignore_errors=True)


def _peer(name: str, task: Task, work: Path) -> dict:
    peer = peers.by_name(name)()
    if task.family:
        return {"growth": peer.growth([Path(path) for path in task.family], work, task.kind)}
    source, base = Path(task.source), Path(task.base) if task.base else None
    at, out = work / "at", work / "out"

    def clear() -> None:
        for path in (at, out):
            peers.remove(path)
        if base is not None:
            peer.prepare(at, task.kind, base)

    stored = _times("store", lambda: peer.store(source, at, task.kind, base), clear, once=not task.timed)
    size = peer.stored(at, base)
    back = _times(
        "restore",
        lambda: peer.restore(at, out, task.kind, base),
        lambda: peers.remove(out),
        once=not task.timed,
    )
    _same(out, source)
    return {"raw": source.stat().st_size, "stored": size, **stored, **back}


def _ours(profile: str, task: Task, work: Path, order: dict) -> dict:
    from benchmarks.archive.ours import Archive

    _warm_up(profile, task, work)
    if task.family:
        return _our_growth(Archive(work / "family", profile), task, find=False) | {
            "found": _our_growth(Archive(work / "found", profile), task, find=True)["growth"]
        }
    source = Path(task.source)
    found: dict = {"raw": source.stat().st_size}
    places = {"": work}
    if task.disk:
        places["disk_"] = Path(order["disk"])
    for prefix, place in places.items():
        found |= {prefix + what: value for what, value in _our_turn(profile, task, source, place).items()}
    found["stored"] = found.pop("disk_stored", found["stored"])
    return found


def _our_turn(profile: str, task: Task, source: Path, place: Path) -> dict:
    """Measure one task with store and target below *place*."""
    from benchmarks.archive.ours import Archive

    from emeritus.archive import held, load

    shutil.rmtree(place, ignore_errors=True)
    ground, archive, target = (
        Archive(place / "ground", profile),
        Archive(place / "archive", profile),
        place / "target",
    )
    base = ground.add(Path(task.base), "base") if task.base else None
    protecting = ground.protect(base) if base is not None else None

    def clear() -> None:
        shutil.rmtree(archive.folder, ignore_errors=True)
        if base is not None:
            ground.copy(archive.folder)

    once = not task.timed
    stored = _times("store", lambda: archive.add(source, "model", base), clear, once=once)
    size = archive.stored() - (ground.stored() if base is not None else 0)
    parity = archive.parity()
    archive.warm()
    ((_, digest),) = held(archive.blobs, "model")
    manifest = load("model", digest, archive.blobs)
    back = _times(
        "restore",
        lambda: archive.give_back(manifest, target),
        lambda: shutil.rmtree(target, ignore_errors=True),
        once=once,
    )
    _same(target / source.name, source)
    shutil.rmtree(place, ignore_errors=True)
    return {
        "stored": size,
        "parity": parity,
        "parity_s": protecting,
        "checking_s": _checking(source),
        **stored,
        **back,
    }


def _warm_up(profile: str, task: Task, work: Path) -> None:
    """Let compiled parts be loaded (and compiled, the first time) before anything is timed."""
    from benchmarks.archive.ours import Archive

    archive = Archive(work / "warm", profile)
    first, second = task.family[:2] if task.family else (task.base or task.source, task.source)
    base = archive.add(Path(first), "first")
    archive.give_back(archive.add(Path(second), "second", base), work / "warm-back")
    shutil.rmtree(work)
    work.mkdir()


def _our_growth(archive, task: Task, *, find: bool) -> dict:
    base, sizes, members = None, [], []
    for path in map(Path, task.family):
        manifest = archive.add(path, path.stem, None if find else base, find=find)
        base = base or manifest
        members.append((path, manifest))
        sizes.append(archive.stored())
    parity = archive.parity()
    for path, manifest in members:
        target = archive.folder / "back"
        _same(archive.give_back(manifest, target), path)
        shutil.rmtree(target)
    shutil.rmtree(archive.folder)
    return {"growth": sizes, "parity": parity}


def _times(
    what: str, act: Callable[[], None], before: Callable[[], None], *, once: bool
) -> dict[str, list[float]]:
    """Return the seconds that *act* took, on the clock and of the processors, by the name *what*."""
    times: list[float] = []
    worked: list[float] = []
    while True:
        before()
        began, idle = time.perf_counter(), time.process_time()
        act()
        times.append(time.perf_counter() - began)
        worked.append(time.process_time() - idle)
        enough = len(times) >= AT_LEAST and sum(times) > BUDGET
        if once or enough or times[0] > SLOW or len(times) == REPEATS:
            return {f"{what}_s": times, f"{what}_cpu_s": worked}


def _checking(source: Path) -> float:
    """Return the seconds of one core that BLAKE3 needs for what a restore checks: the whole file, once."""
    from blake3 import blake3

    data = source.read_bytes()
    seconds = []
    for _ in range(AT_LEAST):
        began = time.process_time()
        blake3(data).digest()
        seconds.append(time.process_time() - began)
    return min(seconds)


def _same(path: Path, source: Path) -> None:
    with path.open("rb") as back, source.open("rb") as there:
        while piece := there.read(PIECE):
            if back.read(PIECE) != piece:
                raise ValueError("what came back are other bytes")
        if back.read(1):
            raise ValueError("more came back than went in")


def peak_memory() -> int:
    """Return the most bytes of memory that this process held at once; a parent's do not count, as in getrusage."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def median(times: list[float] | None) -> float | None:
    return statistics.median(times) if times else None


if __name__ == "__main__":
    main()
