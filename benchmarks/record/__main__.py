"""How fast the record is: ``make bench-record``. The last line is one JSON object.

*appends_per_s*: whole acts (canonical bytes, idempotency key, time, hash, tiles) in batches of 1,000, each
batch one transaction with a signed checkpoint, on the disk before the next (SQLite, WAL, synchronous=FULL).
*proof_ms*, *proof_bytes*: the inclusion proof of an entry anywhere in a log of *log_entries*, each in a
transaction of its own, as the site answers it; the median, and the bytes of the JSON answer without the
entry itself. *rows_per_s*: small entries written as rows and tiles, without acts, which is nearest to what
pymerkle does when it appends bytes. *verify_1000_essays_s*: everything about a site with 1,000 published
essays, from its exported folder and the key alone, as a stranger does it (*export_1000_essays_s*: writing that
folder); *verify_house_1000_essays_s*: the same in the house, from its database.
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
from benchmarks.record import bulk, essays

from emeritus.core.clock import SystemClock
from emeritus.core.people import person
from emeritus.record import Act, Checkpoint, SigningKey, merkle
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
    parser.add_argument("--work", type=Path, default=Path("var"), help="where several GB may lie for a while")
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(chosen.work).free < ROOM * chosen.size / 10_000_000:
        raise SystemExit(f"{chosen.work} has no room for a log of {chosen.size:,} entries")
    with tempfile.TemporaryDirectory(prefix="bench-record-", dir=chosen.work) as name:
        folder = Path(name)
        say(f"{chosen.appends:,} appends in batches of {BATCH}")
        told = appends(folder, chosen.appends)
        say(f"A log of {chosen.size:,} entries")
        began = time.perf_counter()
        database = bulk.build(folder, chosen.size, KEY, say)
        built = time.perf_counter() - began
        told |= proofs(database, chosen.size)
        database.dispose()
        told |= {
            "log_entries": chosen.size,
            "log_built_s": round(built),
            "rows_per_s": round(chosen.size / built),
            "log_bytes": sum(path.stat().st_size for path in folder.glob("big.db*")),
        }
        for path in folder.glob("big.db*"):
            path.unlink()
        say(f"{chosen.essays:,} essays")
        told |= essays.measure(folder, chosen.essays, KEY)
        say("pymerkle on the same entries" if chosen.peer else "pymerkle is left out: no --peer")
        told["vs_pymerkle"] = peer(folder, chosen.peer, chosen.appends, chosen.peer_size or chosen.size)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
