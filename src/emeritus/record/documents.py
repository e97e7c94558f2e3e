"""Documents that entries name by their digest: what was fetched, told or imported, byte for byte.

They are too long for an entry, or nobody's own words here. Reading one checks that it is still what the
record names.
"""

from typing import Protocol

from attrs import frozen

from emeritus.core.digests import sha256
from emeritus.core.errors import IntegrityError, NotFound


@frozen
class Document:
    """Bytes, and what kind of bytes they are (a media type)."""

    media_type: str
    data: bytes


class Documents(Protocol):
    """Where documents are kept, each under the SHA-256 of its bytes."""

    def keep(self, data: bytes, media_type: str) -> str:
        """Store *data* and return its digest; storing the same bytes again changes nothing."""
        ...

    def get(self, digest: str) -> Document:
        """Return a document. Raises NotFound, or IntegrityError when it was altered."""
        ...


def no_document(digest: str) -> NotFound:
    """Return the error for a document that is not kept."""
    return NotFound(
        f"No document {digest[:90]!r} is kept here.", next_step="Look at the entry that names it."
    )


def checked(digest: str, document: Document) -> Document:
    """Return *document* when its bytes are those of *digest*. Raises IntegrityError."""
    if sha256(document.data) != digest:
        raise IntegrityError(
            f"The document stored as {digest} is not what the record names.",
            next_step="Restore the database from a backup.",
        )
    return document


class MemoryDocuments:
    """`Documents` in a dict."""

    def __init__(self) -> None:
        self._kept: dict[str, Document] = {}

    def keep(self, data: bytes, media_type: str) -> str:
        digest = sha256(data)
        self._kept.setdefault(digest, Document(media_type, data))
        return digest

    def get(self, digest: str) -> Document:
        if digest not in self._kept:
            raise no_document(digest)
        return checked(digest, self._kept[digest])
