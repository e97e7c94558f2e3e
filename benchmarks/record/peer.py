"""pymerkle on the same entries, in an environment of its own (it is GPL): ``peer.py FOLDER APPENDS SIZE``."""

import json
import random
import sqlite3
import statistics
import sys
import time
from pathlib import Path

from pymerkle import SqliteTree, verify_inclusion

BATCH = 1000


def main() -> None:
    folder, appends, size = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    lines = (folder / "acts.jsonl").read_bytes().splitlines()[:appends]
    tree = SqliteTree(str(folder / "peer.db"))
    began = time.perf_counter()
    for at in range(0, len(lines), BATCH):
        tree.append_entries(lines[at : at + BATCH])
    took = time.perf_counter() - began
    tree.close()
    told = {"appends_per_s": round(len(lines) / took), "synchronous": _synchronous(folder / "peer.db")}

    tree = SqliteTree(str(folder / "peer-big.db"))
    began = time.perf_counter()
    tree.append_entries(b'{"body":{"n":%d}}' % number for number in range(size))
    told |= {"log_entries": tree.get_size(), "build_s": round(time.perf_counter() - began, 1)}
    rng = random.Random(7)
    began = time.perf_counter()
    tree.prove_inclusion(rng.randrange(1, size + 1), size)
    told["first_proof_ms"] = round((time.perf_counter() - began) * 1000, 2)
    took_each = []
    for _ in range(30):
        index = rng.randrange(1, size + 1)
        began = time.perf_counter()
        proof = tree.prove_inclusion(index, size)
        took_each.append((time.perf_counter() - began) * 1000)
    verify_inclusion(tree.get_leaf(index), tree.get_root(size), proof)
    told["proof_ms"] = round(statistics.median(took_each), 2)
    told["proof_bytes"] = len(json.dumps(proof.serialize()))
    tree.close()
    print(json.dumps(told))


def _synchronous(path: Path) -> str:
    with sqlite3.connect(path) as plain:
        return {0: "OFF", 1: "NORMAL", 2: "FULL"}[plain.execute("PRAGMA synchronous").fetchone()[0]]


if __name__ == "__main__":
    main()
