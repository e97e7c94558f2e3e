"""Check this escrow with Python 3.8 or newer and nothing else: its files, its record, and the words in it.

    python3 check.py

The signature takes one more command, which is printed at the end. RFC 8493 describes the lists of files, RFC 6962
the tree of the record. Script version 1.
"""

import base64
import hashlib
import json
import re
import sys
from pathlib import Path

LISTS = ("tagmanifest-sha256.txt", "manifest-sha256.txt")


def sha256(path):
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for data in iter(lambda: file.read(1 << 20), b""):
            digest.update(data)
    return digest.hexdigest()


def root(leaf, index, size, path):
    """Return the tree's root that an entry and its audit path lead to (RFC 9162, 2.1.3.2)."""
    last = size - 1
    for step in path:
        if last == 0:
            return b""
        if index % 2 or index == last:
            leaf = hashlib.sha256(b"\1" + step + leaf).digest()
            while index and not index % 2:
                index, last = index // 2, last // 2
        else:
            leaf = hashlib.sha256(b"\1" + leaf + step).digest()
        index, last = index // 2, last // 2
    return leaf if last == 0 else b""


def files(bag):
    listed = set(LISTS) | {LISTS[0] + ".sig"}
    for name in LISTS:
        for line in (bag / name).read_text(encoding="utf-8").splitlines():
            digest, path = line.split("  ", 1)
            if path.startswith("/") or ".." in path.split("/"):
                yield f"{name} names {path}, which lies outside"
                continue
            listed.add(path)
            if not (bag / path).is_file() or sha256(bag / path) != digest:
                yield f"{path} is missing, or its SHA-256 is another"
    for path in bag.rglob("*"):
        if path.is_symlink() or (path.is_file() and path.relative_to(bag).as_posix() not in listed):
            yield f"{path} is on no list"


def record(bag):
    proofs = json.loads((bag / "data/record/proofs.json").read_bytes())
    checkpoint = (bag / "data/record/checkpoint.txt").read_text(encoding="utf-8").splitlines()
    head = base64.b64decode(checkpoint[2])
    if (int(checkpoint[1]), head.hex()) != (proofs["size"], proofs["root"]):
        yield "proofs.json is of another checkpoint"
    for path in sorted((bag / "data/record/entries").glob("*.json")):
        data = path.read_bytes()
        number = json.loads(data)["seq"]
        steps = [bytes.fromhex(step) for step in proofs["paths"].pop(str(number), [])]
        leaf = hashlib.sha256(b"\0" + data).digest()
        if path.stem != "%08d" % number or root(leaf, number, proofs["size"], steps) != head:
            yield f"{path} does not stand in the record"
    for number in proofs["paths"]:
        yield f"entry {number} is missing"


def words(bag):
    for path in (bag / "data/models").glob("*/words/*.json"):
        if sha256(path) != path.stem:
            yield f"{path} does not hold the words that were said"
    for path in (bag / "data").rglob("manifests/*/*.json"):
        if re.fullmatch("[0-9a-f]{64}", path.stem) and sha256(path) != path.stem:
            yield f"{path} is another manifest"


if __name__ == "__main__":
    bag = Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
    bag = bag if bag.is_dir() else bag.parent
    wrong = [line for check in (files, record, words) for line in check(bag)]
    for line in wrong:
        print(line)
    print("Not what it should be." if wrong else "Files, record and words are what the lists say.")
    print(
        "Now the signature over the lists:\n  openssl pkeyutl -verify -pubin -inkey organisation-key.pem -rawin \\"
    )
    print(f"    -in {LISTS[0]} -sigfile {LISTS[0]}.sig")
    sys.exit(1 if wrong else 0)
