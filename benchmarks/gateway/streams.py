"""Many streams at once, held for minutes: ``make bench-streams``. The last line is one JSON object.

Emeritus as it is installed stands between a fake engine, which sends one token a second to each, and one
process of callers. *errors*: streams that did not end whole. *usage_exact*: the table of usage says of each
call exactly what the engine sent. *memory_growth*: how much more the gateway holds in the last quarter of
the time than in the second one, as a share; *files_left*: open files after the end beyond those before.
"""

import argparse
import asyncio
import json
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.gateway import contenders
from benchmarks.gateway.contenders import Contender
from benchmarks.gateway.engine import PROMPT_TOKENS
from benchmarks.gateway.load import Caller

RAMP_SECONDS = 8.0
SETTLE_SECONDS = 45.0


def measure(
    folder: Path,
    *,
    streams: int,
    seconds: float,
    pause: float,
    ramp: float = RAMP_SECONDS,
    settle: float = SETTLE_SECONDS,
) -> dict:
    """Hold *streams* for *seconds*, each with a token every *pause* seconds, begun within *ramp* seconds.

    *settle*: how long at most to wait afterwards until no more files are open than before.
    """
    tokens = max(2, round(seconds / pause))
    resource.setrlimit(
        resource.RLIMIT_NOFILE,
        (min(20 * streams + 1000, _most_files()), resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
    )
    with (
        contenders.engine(folder) as engine,
        contenders.emeritus(folder, f"http://127.0.0.1:{engine.target.port}") as ours,
    ):
        said = asyncio.run(_hold(ours, streams, tokens, pause, ramp, settle))
    return said | {"streams": streams, "tokens_each": tokens} | _counted(folder, streams, tokens)


def _most_files() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 2**20 if hard == resource.RLIM_INFINITY else hard


async def _hold(ours: Contender, streams: int, tokens: int, pause: float, ramp: float, settle: float) -> dict:
    request = ours.target.request(
        stream=True, stream_options={"include_usage": True}, max_tokens=tokens, seed=round(pause * 1000)
    )
    whole = await Caller(ours.target.port).stream(ours.target.request(stream=True, max_tokens=2))
    assert whole.whole, whole
    files = _files(ours.pid)
    memory: list[tuple[float, int]] = []
    wrong: list[str] = []
    pieces = 0

    async def one(number: int) -> None:
        nonlocal pieces
        await asyncio.sleep(ramp * number / streams)
        caller = Caller(ours.target.port)
        try:
            streamed = await caller.stream(request)
        except (OSError, ValueError, asyncio.IncompleteReadError) as why:
            wrong.append(repr(why))
            return
        finally:
            caller.close()
        pieces += streamed.pieces
        if not streamed.whole or streamed.pieces != tokens:
            wrong.append(f"{streamed.status}, {streamed.pieces} pieces, {streamed.tail[-200:]!r}")

    async def watch() -> None:
        while True:
            memory.append((time.monotonic(), ours.resident()))
            await asyncio.sleep(max(0.05, pause))

    began, worked = time.monotonic(), ours.cpu()
    watching = asyncio.create_task(watch())
    await asyncio.gather(*(one(number) for number in range(streams)))
    took, worked = time.monotonic() - began, ours.cpu() - worked
    watching.cancel()
    for _ in range(round(settle * 10)):  # connections to the engine are kept for a while, to be used again
        if _files(ours.pid) <= files:
            break
        await asyncio.sleep(0.1)
    steady = [held for at, held in memory if began + ramp <= at <= began + took - ramp] or [memory[-1][1]]
    quarter = max(1, len(steady) // 4)
    early, late = (
        statistics.median(steady[quarter : 2 * quarter] or steady),
        statistics.median(steady[-quarter:]),
    )
    return {
        "errors": len(wrong),
        "first_errors": wrong[:3],
        "minutes": round(took / 60, 2),
        "pieces_per_s": round(pieces / took, 1),
        "cpu_share": round(worked / took, 3),
        "memory_mib": round(late / 2**20, 1),
        "memory_growth": round(late / early - 1, 4),
        "files_left": _files(ours.pid) - files,
    }


def _files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _counted(folder: Path, streams: int, tokens: int) -> dict:
    database = sqlite3.connect(folder / "house" / "emeritus.db")
    rows = database.execute(
        "SELECT status, tokens_in, tokens_out FROM usage WHERE tokens_out <> 2"
    ).fetchall()
    database.close()
    exact = rows == [(200, PROMPT_TOKENS, tokens)] * streams
    return {"usage_exact": exact, "calls_counted": len(rows), "tokens_counted": sum(row[2] for row in rows)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between the tokens of one stream")
    parser.add_argument("--write", action="store_true", help="keep what was said in benchmarks/RESULTS.md")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-streams-") as name:
        told = measure(Path(name), streams=chosen.streams, seconds=60 * chosen.minutes, pause=chosen.pause)
    if chosen.write:
        from benchmarks.results import machine, write

        lines = "\n".join(f"{key:16} {value}" for key, value in told.items())
        write("streams", "make bench-streams", machine(), lines, [])
    print(json.dumps(told))
    sys.exit(bool(told["errors"]) or not told["usage_exact"])


if __name__ == "__main__":
    main()
