"""Timestamps (RFC 3161): somebody else's signature that a checkpoint was there at a time.

Optional, and off unless the settings name an authority. What it gives lies as files beside the database, so
that it also remembers what the database must still contain: ``SIZE``, the checkpoint, and ``SIZE.tsr``, the
authority's answer, as ``openssl ts -verify`` reads them.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen
from cryptography import x509

from emeritus.core.errors import IntegrityError, InvalidInput, Unavailable
from emeritus.record import Checkpoint, Finding
from emeritus.record.note import Note
from emeritus.record.witness import Answer

QUERY_TYPE = "application/timestamp-query"

Post = Callable[[str, bytes, str], Answer]


@frozen
class Authority:
    """Where to ask, and the root certificates (PEM) from which its own have to come."""

    url: str
    roots: Path

    def certificates(self) -> list[x509.Certificate]:
        """Read the roots. Raises InvalidInput."""
        try:
            return x509.load_pem_x509_certificates(self.roots.read_bytes())
        except (OSError, ValueError):
            raise InvalidInput(
                f"{self.roots} holds no certificates.",
                next_step="Set timestamp_roots to a PEM file with the root certificate of the authority.",
            ) from None


class Timestamps:
    """The timestamps in *folder*.

    Raises:
        Unavailable: the package that reads them is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import rfc3161_client  # noqa: PLC0415  (an extra)
        except ImportError:
            raise Unavailable(
                "Timestamps need the package rfc3161-client, which is not installed.",
                next_step="Install it: pip install 'emeritus[timestamps]'.",
            ) from None
        self._folder = folder
        self._client = rfc3161_client

    def ask(self, note: str, authority: Authority, post: Post) -> datetime:
        """Have *note* timestamped, check the answer, and keep both.

        Raises:
            Unavailable: the authority does not answer, or not with a timestamp of this note.
        """
        data = note.encode()
        request = self._client.TimestampRequestBuilder().data(data).build()
        answer = post(authority.url, request.as_bytes(), QUERY_TYPE)
        try:
            at = self.check(data, answer.body, authority, nonce=request.nonce)
        except IntegrityError as why:
            raise Unavailable(
                f"The authority answered {answer.status}, and with no timestamp of this checkpoint: {why.sentence}",
                next_step="Compare timestamp_authority and timestamp_roots with what its operator says.",
            ) from None
        self._folder.mkdir(parents=True, exist_ok=True)
        name = str(Checkpoint.read(Note.parse(note).text).size)
        (self._folder / name).write_bytes(data)
        (self._folder / f"{name}.tsr").write_bytes(answer.body)
        return at

    def check(self, data: bytes, answer: bytes, authority: Authority, nonce: int | None = None) -> datetime:
        """Return when *data* was there. Raises IntegrityError when *answer* does not say so."""
        builder = self._client.VerifierBuilder()
        for root in authority.certificates():
            builder = builder.add_root_certificate(root)
        if nonce is not None:
            builder = builder.nonce(nonce)
        try:
            read = self._client.decode_timestamp_response(answer)
            builder.build().verify_message(read, data)
            at: datetime = read.tst_info.gen_time
        except (ValueError, self._client.VerificationError) as why:
            raise IntegrityError(
                f"This is no timestamp of it: {str(why).splitlines()[0] if str(why) else 'unreadable'}.",
                next_step="Have the checkpoint timestamped again.",
            ) from None
        return at.astimezone(UTC)

    def notes(self) -> Iterator[str]:
        """Yield the checkpoints that were timestamped: the record has to contain each."""
        for path in sorted(self._folder.glob("*.tsr")):
            kept = path.with_suffix("")
            yield kept.read_text(encoding="utf-8", errors="replace") if kept.is_file() else ""

    def audit(self, authority: Authority) -> Iterator[Finding]:
        """Yield the timestamps that do not hold."""
        for path in sorted(self._folder.glob("*.tsr")):
            try:
                kept = path.with_suffix("")
                self.check(kept.read_bytes() if kept.is_file() else b"", path.read_bytes(), authority)
            except IntegrityError as why:
                yield Finding(f"timestamp {path.stem}", why.sentence)
