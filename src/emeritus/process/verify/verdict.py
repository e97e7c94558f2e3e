"""What a check comes to: a sentence, what does not hold, and everything that shows it."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from attrs import field, frozen

from emeritus.core.errors import IntegrityError
from emeritus.record import Entry, Finding, VerifyKey
from emeritus.record.published import PublishedRecord


@frozen
class Proven:
    """An entry, and the audit path from it to the root of the checkpoint (RFC 6962, 2.1.1)."""

    entry: Entry
    path: tuple[bytes, ...]

    def json(self) -> dict[str, Any]:
        return {
            "seq": self.entry.seq,
            "entry": self.entry.data.decode(),
            "leaf": _base64(self.entry.leaf),
            "path": [_base64(part) for part in self.path],
        }


@frozen
class Verdict:
    """What was found about *target*, which is a *kind* of thing: sound when nothing is among *findings*.

    *digests* are those of what was read; *entries* and *checkpoint* prove what the sentence says.
    """

    target: str
    kind: str
    sentence: str
    findings: tuple[Finding, ...]
    key: VerifyKey | None = None
    checkpoint: str = ""
    size: int = 0
    root: bytes = b""
    entries: tuple[Proven, ...] = ()
    digests: Mapping[str, str] = field(factory=dict)

    @property
    def is_sound(self) -> bool:
        return not self.findings

    def json(self) -> dict[str, Any]:
        """Return all of it for machines."""
        return {
            "target": self.target,
            "kind": self.kind,
            "sound": self.is_sound,
            "sentence": self.sentence,
            "findings": [{"where": each.where, "what": each.what} for each in self.findings],
            "key": None if self.key is None else str(self.key),
            "size": self.size,
            "root": _base64(self.root),
            "checkpoint": self.checkpoint,
            "entries": [each.json() for each in self.entries],
            "digests": dict(self.digests),
        }


def of(
    record: PublishedRecord,
    target: str,
    kind: str,
    says: str,
    findings: Iterable[Finding],
    entries: Iterable[Entry] = (),
    digests: Mapping[str, str] | None = None,
) -> Verdict:
    """Return the verdict: *says* what is so when nothing was found."""
    found = tuple(findings)
    if found:
        more = f" ({len(found) - 1} more findings)" if len(found) > 1 else ""
        sentence = f"Not sound: {found[0].where}: {found[0].what.rstrip('.')}.{more}"
    else:
        sentence = f"Sound: {says}"
    return Verdict(
        target=target,
        kind=kind,
        sentence=sentence,
        findings=found,
        key=record.key,
        checkpoint=record.note,
        size=record.size,
        root=record.checkpoint.root,
        entries=tuple(Proven(entry, tuple(record.path(entry.seq))) for entry in entries) if not found else (),
        digests=digests or {},
    )


def signed_by(record: PublishedRecord) -> str:
    """Say who signed."""
    return f"signed by {record.key.name}+{record.key.key_id.hex()}"


@contextmanager
def as_written(where: str) -> Iterator[None]:
    """Turn what goes wrong with entries that no house would write into an IntegrityError."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, AssertionError, RecursionError):
        raise IntegrityError(
            f"{where} is not written as a house writes it.",
            next_step="Whoever serves this is broken, or means harm.",
        ) from None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
