"""How far a scrub has come and what it found: kept in the store, so that the next process goes on there."""

from typing import Literal

import msgspec

from emeritus.archive.errors import BlobMissing, BlobUnreadable
from emeritus.archive.ports import Blobs

PATH = "scrubbing/state.json"
MOST_FINDINGS = 1000
"""So many findings are told in full; the rest is counted."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that is not as it should be.

    *path*: the blob. *id* and *sentence*: the error's. *object*: the BLAKE3 of the object that is
    concerned, if it is one. *models* need it, themselves or by way of *objects*, which are differences
    from it.
    """

    path: str
    id: str
    sentence: str
    object: str | None = None
    models: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()


class Scrub(msgspec.Struct):
    """A reading of everything: under way, or done.

    *began* and *ended* are RFC 3339; *folder* and *after* tell up to where objects were read. *bytes*
    were read from the store.
    """

    began: str
    decoded: bool = False
    ended: str = ""
    stage: Literal["manifests", "objects", "done"] = "manifests"
    folder: int = 0
    after: str = ""
    manifests: int = 0
    objects: int = 0
    parity: int = 0
    bytes: int = 0
    found: int = 0
    findings: list[Finding] = []

    @property
    def is_done(self) -> bool:
        return self.stage == "done"

    @property
    def is_sound(self) -> bool:
        """True when everything was read and nothing was found."""
        return self.is_done and not self.found

    def note(self, finding: Finding) -> None:
        """Take a finding down, unless it is there already."""
        if any((each.path, each.id) == (finding.path, finding.id) for each in self.findings):
            return
        self.found += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(finding)


def load(blobs: Blobs) -> Scrub | None:
    """Return the scrub that is under way, or done and not yet written down; None when there is none."""
    try:
        return msgspec.json.decode(b"".join(blobs.get(PATH)), type=Scrub)
    except (BlobMissing, BlobUnreadable, msgspec.DecodeError):
        return None


def save(blobs: Blobs, state: Scrub) -> None:
    """Have the store remember how far a scrub has come."""
    blobs.replace(PATH, [msgspec.json.encode(state)])


def forget(blobs: Blobs) -> None:
    """Forget the scrub that is under way or done; the next one begins at the beginning."""
    blobs.delete(PATH)
