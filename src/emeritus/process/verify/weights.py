"""A folder of weights: every file against the digests that the record has of them."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emeritus.core.errors import NotFound, Unavailable
from emeritus.core.wording import count
from emeritus.process.verify.target import Target
from emeritus.process.verify.verdict import Verdict, as_written, of, signed_by
from emeritus.record import Entry, Finding, VerifyKey
from emeritus.record.published import PublishedRecord
from emeritus.registry import get_model

_PIECE = 4 << 20


def check(record: PublishedRecord, target: Target, keys: Sequence[VerifyKey], folder: Path) -> Verdict:
    """Find the model whose files lie at *folder* (a folder or one file), and compare each of them.

    Raises:
        NotFound: the record knows no file of these names.
    """
    copy, findings = record.whole(keys)
    there = _files(folder)
    with as_written("The record"):
        archived = [(entry, _listed(entry)) for entry in copy.entries(kinds={"weights.archived"})]
    known = [(entry, files) for entry, files in archived if set(files) & set(there)]
    if not known:
        raise NotFound(
            f"The record of {record.source.place} has no weights with files named as those at {folder}.",
            next_step="Give the folder with the restored files, and the record of the house that archived them.",
        )
    digests = {
        name: _digest(path) for name, path in there.items() if any(name in files for _, files in known)
    }
    best = max(
        known,
        key=lambda each: (
            sum(digests.get(name) == digest for name, (_, digest) in each[1].items()),
            each[0].seq,
        ),
    )
    entry, files = best
    for name, (size, digest) in sorted(files.items()):
        if name not in there:
            if folder.is_dir():
                findings.append(Finding(name, "it is missing"))
        elif digests[name] != digest:
            held = there[name].stat().st_size
            found = f"it has {held} bytes instead of {size}" if held != size else "its SHA-256 is another"
            findings.append(Finding(name, found))
    with as_written("The record"):
        model = get_model(copy, entry.model or "")
        proven = copy.entries(model=model.id, kinds={"weights.proven"}, newest_first=True, limit=1)
    strange = sorted(set(there) - set(files))
    beside = (
        f" Beside them lies what the record does not speak of: {', '.join(strange[:5])}." if strange else ""
    )
    total = sum(size for name, (size, _) in files.items() if name in there)
    whole = f"{count(len(digests), 'file')}, {total} bytes"
    says = (
        f"these are the weights of {model.display_name}, bit for bit ({whole}), as archived on {entry.at:%Y-%m-%d}, "
        f"entry {entry.seq} of {record.size}, {signed_by(record)}.{beside}"
    )
    return of(record, target.given, "weights", says, findings, [entry, *proven], digests)


def _listed(entry: Entry) -> dict[str, tuple[int, str]]:
    """Return the size and digest of each file that was archived."""
    files: list[dict[str, Any]] = entry.body["files"]
    return {
        str(file["name"]): (int(file["size"]), "sha256:" + str(file["sha256"]).removeprefix("sha256:"))
        for file in files
    }


def _files(folder: Path) -> dict[str, Path]:
    """Return the regular files at *folder*, by their path below it; a link that leads nowhere is none."""
    if not folder.is_dir():
        return {folder.name: folder}
    found = {}
    for top, _, names in os.walk(folder):
        for name in names:
            path = Path(top, name)
            if path.is_file():
                found[path.relative_to(folder).as_posix()] = path
    return found


def _digest(path: Path) -> str:
    hasher = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while data := file.read(_PIECE):
                hasher.update(data)
    except OSError as why:
        raise Unavailable(f"{path} cannot be read: {why.strerror}.", next_step="Check the disk.") from None
    return f"sha256:{hasher.hexdigest()}"
