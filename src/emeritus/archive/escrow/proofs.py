"""The record inside a bag: some entries, a signed checkpoint, and the proof that the first stand in the second."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from emeritus.core.digests import canonical
from emeritus.core.errors import EmeritusError, IntegrityError
from emeritus.record import Checkpoint, Entry, Log, VerifyKey, merkle

FOLDER = "record"
ENTRIES = f"{FOLDER}/entries"
PROOFS = f"{FOLDER}/proofs.json"
CHECKPOINT = f"{FOLDER}/checkpoint.txt"
KEY = f"{FOLDER}/key.txt"


def files(log: Log, entries: Iterable[Entry], key: VerifyKey) -> Iterator[tuple[str, bytes]]:
    """Yield what the bag holds of the record: each entry's own bytes, their audit paths, checkpoint and key."""
    head = log.checkpoint()
    paths = {}
    for entry in entries:
        paths[str(entry.seq)] = [step.hex() for step in merkle.inclusion(log, entry.seq, head.size)]
        yield f"{ENTRIES}/{entry.seq:08}.json", entry.data
    yield PROOFS, canonical({"size": head.size, "root": head.root.hex(), "paths": paths}) + b"\n"
    yield CHECKPOINT, log.signed_checkpoint().encode()
    yield KEY, f"{key}\n".encode()


def read_key(data: Path) -> VerifyKey:
    """Return the key that the bag itself names. Raises InvalidInput, OSError."""
    return VerifyKey.parse((data / KEY).read_text(encoding="utf-8"))


def read(data: Path, key: VerifyKey) -> tuple[list[Entry], list[str]]:
    """Read the entries of the bag whose payload is *data*, and say what does not hold.

    Raises:
        IntegrityError: when the checkpoint is not signed by *key*, or nothing can be read.
        OSError: when a file is missing.
    """
    head = Checkpoint.open((data / CHECKPOINT).read_text(encoding="utf-8"), [key])
    proofs = _proofs((data / PROOFS).read_bytes())
    wrong = []
    entries = []
    for path in sorted((data / ENTRIES).glob("*.json")):
        try:
            entry = Entry.read(path.read_bytes())
            steps = [bytes.fromhex(step) for step in proofs.pop(str(entry.seq))]
        except (EmeritusError, ValueError, LookupError, TypeError):
            wrong.append(f"{ENTRIES}/{path.name} is no entry with a proof")
            continue
        named = path.name == f"{entry.seq:08}.json"
        if not named or not merkle.verify_inclusion(entry.leaf, entry.seq, head.size, steps, head.root):
            wrong.append(f"{ENTRIES}/{path.name} does not stand in the signed record")
        entries.append(entry)
    wrong += [f"entry {seq} is missing" for seq in sorted(proofs, key=lambda text: text.zfill(20))]
    return entries, wrong


def _proofs(data: bytes) -> dict[str, list[str]]:
    try:
        paths = json.loads(data)["paths"]
    except (ValueError, LookupError, TypeError, RecursionError):
        paths = None
    if not isinstance(paths, Mapping):
        raise IntegrityError("The proofs of the record cannot be read.", next_step="Ask for another copy.")
    return dict(paths)
