"""How fast the record is: ``make bench-record``. The last line is one JSON object.

*appends_per_s*: whole acts (canonical bytes, idempotency key, time, hash, tiles) in batches of 1,000, each
batch one transaction with a signed checkpoint, on the disk before the next (SQLite, WAL, synchronous=FULL).
*proof_ms*, *proof_bytes*: the inclusion proof of an entry anywhere in a log of *log_entries*, each in a
transaction of its own, as the site answers it; the median, and the bytes of the JSON answer without the
entry itself. *verify_1000_essays_s*: everything about a site with 1,000 published
essays, from its exported folder and the key alone, as a stranger does it (*export_1000_essays_s*: writing that
folder); *verify_house_1000_essays_s*: the same in the house, from its database.

pymerkle gets the same bytes in the same batches. It keeps no canonical acts, no idempotency keys and no signed
checkpoints, so two comparisons are told: *vs_pymerkle*, how many times quicker a proof is had in the big log, and
*vs_pymerkle_appends*, how many times as many bare leaves a second are written (*leaves_per_s*: rows, tiles and a
signed checkpoint for each batch, without acts).
"""

import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from benchmarks import results
from benchmarks.record import bulk, essays
from rich.console import Console
from rich.table import Table

from emeritus.core.clock import SystemClock
from emeritus.core.people import person
from emeritus.record import Act, Checkpoint, SigningKey, merkle
from emeritus.record.edge import Edge
from emeritus.store.database import open_database, transaction
from emeritus.store.log import SqlLog
from emeritus.store.schema import migrate
from emeritus.web.site.record import proof
from emeritus.web.site.tiles import base64_of

KEY = SigningKey.from_seed("bench.example/record", bytes(range(32)))
ADA = person("Ada Lovelace")
BATCH = 1000
PROOFS = 300
ROOM = 6_000_000_000


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def acts(count: int) -> list[Act]:
    """Return acts of the size of those on a real record: about 470 bytes logged."""
    return [
        Act(
            "essay.drafted",
            {
                "number": number,
                "attempt": 1,
                "regime": "minimal",
                "regime_digest": "sha256:" + "ab" * 32,
                "prompt_digest": "sha256:" + "cd" * 32,
                "spoken": True,
                "finish": "stop",
                "utterance": "sha256:" + f"{number:064x}",
            },
            ADA,
            "lantern-1",
            f"lantern-1-essay-{number}",
            f"essay.drafted:lantern-1-essay-{number}:1",
        )
        for number in range(count)
    ]


def appends(folder: Path, count: int) -> dict[str, Any]:
    database = open_database(f"sqlite:///{folder / 'appends.db'}")
    migrate(database)
    todo = acts(count)
    took = []
    for at in range(0, count, BATCH):
        began = time.perf_counter()
        with transaction(database) as connection:
            log = SqlLog(connection, SystemClock(), KEY)
            log.append_many(todo[at : at + BATCH])
            log.seal()
        took.append(time.perf_counter() - began)
    with transaction(database, reading=True) as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        rows = list(SqlLog(connection, SystemClock(), KEY).rows())
    assert len(rows) == count
    (folder / "acts.jsonl").write_bytes(b"\n".join(rows))
    database.dispose()
    return {"appends_per_s": round(count / sum(took)), "batch_ms": _ms(took), "entry_bytes": len(rows[-1])}


def leaves(folder: Path) -> dict[str, Any]:
    """Write the same bytes as rows and tiles: what is left of an append when there is no act."""
    rows = (folder / "acts.jsonl").read_bytes().splitlines()
    database = open_database(f"sqlite:///{folder / 'leaves.db'}")
    migrate(database)
    edge, began = Edge(), time.perf_counter()
    for at in range(0, len(rows), BATCH):
        with transaction(database) as connection:
            bulk.write(connection, rows[at : at + BATCH], edge, KEY)
    took = time.perf_counter() - began
    database.dispose()
    return {"leaves_per_s": round(len(rows) / took)}


def proofs(database: sa.Engine, size: int) -> dict[str, Any]:
    rng = random.Random(7)
    took, lengths = [], []
    for number in range(PROOFS):
        seq = (0, size - 1, size // 2)[number] if number < 3 else rng.randrange(size)
        began = time.perf_counter()
        with transaction(database, reading=True) as connection:
            log = SqlLog(connection, SystemClock(), KEY)
            entry = log.get(seq)
            shown = proof(log, entry)
            note = log.signed_checkpoint()
        took.append(time.perf_counter() - began)
        checkpoint = Checkpoint.open(note, [KEY.verify_key])
        with transaction(database, reading=True) as connection:
            path = merkle.inclusion(SqlLog(connection, SystemClock(), KEY), seq, size)
        assert checkpoint.size == size
        assert [base64_of(part) for part in path] == list(shown.path)
        assert merkle.verify_inclusion(entry.leaf, seq, size, path, checkpoint.root)
        answer = {
            "seq": seq,
            "leaf": shown.leaf,
            "size": size,
            "path": shown.path,
            "root": shown.root,
            "checkpoint": note,
        }
        lengths.append(len(json.dumps(answer)))
    return {
        "proof_ms": _ms(took),
        "proof_p99_ms": round(sorted(took)[len(took) * 99 // 100] * 1000, 2),
        "proof_bytes": max(lengths),
    }


def _ms(took: list[float]) -> float:
    return round(statistics.median(took) * 1000, 2)


def peer(folder: Path, python: Path | None, count: int, size: int) -> dict[str, Any] | None:
    if python is None:
        return None
    program = Path(__file__).with_name("peer.py")
    ran = subprocess.run([python, program, folder, str(count), str(size)], stdout=subprocess.PIPE, check=True)
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=10_000_000, help="entries of the big log")
    parser.add_argument("--appends", type=int, default=100_000)
    parser.add_argument("--essays", type=int, default=1000)
    parser.add_argument("--peer", type=Path, help="the Python in whose environment pymerkle is")
    parser.add_argument("--peer-size", type=int, help="entries of the peer's big log; as --size unless given")
    parser.add_argument("--write", action="store_true", help="keep what is said in benchmarks/RESULTS.md")
    parser.add_argument("--work", type=Path, default=Path("var"), help="where several GB may lie for a while")
    chosen = parser.parse_args()
    machine = results.machine()
    chosen.work.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(chosen.work).free < ROOM * chosen.size / 10_000_000:
        raise SystemExit(f"{chosen.work} has no room for a log of {chosen.size:,} entries")
    with tempfile.TemporaryDirectory(prefix="bench-record-", dir=chosen.work) as name:
        folder = Path(name)
        say(f"{chosen.appends:,} appends in batches of {BATCH}")
        told = appends(folder, chosen.appends) | leaves(folder)
        say(f"A log of {chosen.size:,} entries")
        began = time.perf_counter()
        database = bulk.build(folder, chosen.size, KEY, say)
        built = time.perf_counter() - began
        told |= proofs(database, chosen.size)
        database.dispose()
        told |= {
            "log_entries": chosen.size,
            "log_built_s": round(built),
            "log_bytes": sum(path.stat().st_size for path in folder.glob("big.db*")),
        }
        for path in folder.glob("big.db*"):
            path.unlink()
        say(f"{chosen.essays:,} essays")
        told |= essays.measure(folder, chosen.essays, KEY)
        say("pymerkle on the same entries" if chosen.peer else "pymerkle is left out: no --peer")
        beside = peer(folder, chosen.peer, chosen.appends, chosen.peer_size or chosen.size)
    told = headline(told, beside)
    last = json.dumps(told)
    console = Console(record=True, width=110)
    console.print(table(told, beside or {}, chosen.essays))
    if chosen.write:
        results.write("record", "make bench-record", machine, f"{console.export_text()}\n{last}", [])
    print(last)


KEYS = ("appends_per_s", "proof_ms", "proof_bytes", "log_entries", "verify_1000_essays_s", "vs_pymerkle")
"""What the last line tells first."""


def headline(told: dict[str, Any], beside: dict[str, Any] | None) -> dict[str, Any]:
    """Return the object of the last line: `KEYS` first, then what else was measured; null where there is no peer."""
    more = {
        "vs_pymerkle": round(beside["proof_ms"] / told["proof_ms"], 1) if beside else None,
        "vs_pymerkle_appends": round(told["leaves_per_s"] / beside["appends_per_s"], 2) if beside else None,
        "pymerkle": beside,
    }
    told = told | more
    return {key: told[key] for key in KEYS} | {key: value for key, value in told.items() if key not in KEYS}


def table(told: dict[str, Any], beside: dict[str, Any], essays: int) -> Table:
    """Return what was measured, for people."""
    shown = Table(title=f"The record, and a log of {told['log_entries']:,} entries")
    for title in ("", "emeritus", "pymerkle"):
        shown.add_column(title, justify="right" if title else "left")
    for says, key, theirs in (
        ("whole acts appended, a second", "appends_per_s", ""),
        ("bare leaves appended, a second", "leaves_per_s", "appends_per_s"),
        ("a proof of one entry, ms (median)", "proof_ms", "proof_ms"),
        ("the first proof after opening, ms", "", "first_proof_ms"),
        ("a proof of one entry, bytes", "proof_bytes", "proof_bytes"),
        (f"{essays:,} essays: export a site, s", "export_1000_essays_s", ""),
        (f"{essays:,} essays: verify that site from its key, s", "verify_1000_essays_s", ""),
        (f"{essays:,} essays: verify the house from its database, s", "verify_house_1000_essays_s", ""),
    ):
        shown.add_row(says, _cell(told.get(key)), _cell(beside.get(theirs)))
    return shown


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:,}"


if __name__ == "__main__":
    main()
