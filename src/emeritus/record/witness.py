"""Witnesses: others who have seen that the log only grows, and sign that (C2SP tlog-witness, tlog-cosignature).

A witness keeps the newest checkpoint that it saw of each log, and cosigns the next one when a proof shows
that nothing before it was changed. Whoever asks for cosignatures cannot be shown another history.
"""

import base64
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import urlsplit

from attrs import frozen

from emeritus.core.errors import IntegrityError, InvalidInput, Unavailable
from emeritus.record import merkle
from emeritus.record.checkpoint import Checkpoint
from emeritus.record.keys import COSIGNATURE, VerifyKey
from emeritus.record.note import Note, Signature

MAX_ANSWER = 1 << 16
TIMEOUT = 20.0
SIZE_TYPE = "text/x.tlog.size"


class ForkSeen(IntegrityError):
    """A witness signed for another history of this record than the one that is here."""

    id = "record.fork_seen"


@frozen
class Witness:
    """Somebody who cosigns: the key to believe, and the address below which ``add-checkpoint`` is."""

    key: VerifyKey
    url: str

    @classmethod
    def parse(cls, text: str) -> "Witness":
        """Read ``NAME+ID+KEY URL``. Raises InvalidInput."""
        key, _, url = text.strip().partition(" ")
        if urlsplit(url.strip()).scheme not in ("http", "https"):
            raise InvalidInput(
                f"{text[:80]!r} names no witness.",
                next_step="Write the witness's verifier key, a space, and its address: NAME+ID+KEY https://HOST.",
            )
        return cls(VerifyKey.parse(key, COSIGNATURE), url.strip().rstrip("/"))

    @property
    def id(self) -> str:
        """The name and the id of its key."""
        return f"{self.key.name}+{self.key.key_id.hex()}"


@frozen
class Answer:
    """What a witness answered over HTTP."""

    status: int
    content_type: str
    body: bytes


Post = Callable[[str, bytes], Answer]


class Witnessed(merkle.Nodes, Protocol):
    """What is needed of the log: see `emeritus.record.Log`, and the cosignatures kept beside it."""

    def signed_checkpoint(self) -> str: ...

    def cosigned_size(self, witness: str) -> int:
        """Return the size of the newest checkpoint that *witness* cosigned, or 0."""
        ...

    def cosign(self, size: int, witness: str, line: str) -> None:
        """Keep the cosignature of *witness* below the checkpoint of *size*; a second one is passed over."""
        ...


class WitnessedWork(Protocol):
    """A unit of work with such a log."""

    @property
    def log(self) -> Witnessed: ...


def cosigned_at(note: Note, key: VerifyKey) -> datetime | None:
    """Return when *key* cosigned *note*; None when it did not, or the signature does not hold."""
    for each in note.signatures:
        if (each.name, each.key_id) == (key.name, key.key_id) and len(each.data) == 72:
            seconds = int.from_bytes(each.data[:8], "big")
            message = f"cosignature/v1\ntime {seconds}\n{note.text}".encode()
            if seconds < 1 << 40 and key.verifies(each.data[8:], message):
                return datetime.fromtimestamp(seconds, UTC)
    return None


def submission(log: Witnessed, old: int) -> tuple[bytes, Checkpoint]:
    """Return what to send to a witness that knows the first *old* entries, and the checkpoint in it.

    Raises:
        ForkSeen: the witness knows more entries than there are.
    """
    note = Note.parse(log.signed_checkpoint())
    checkpoint = Checkpoint.read(note.text)
    if old > checkpoint.size:
        raise ForkSeen(
            f"The witness has signed for {old} entries, and only {checkpoint.size} are here.",
            next_step="Entries were lost, or a backup was put back. Append nothing, and look for the newest copy.",
        )
    proof = merkle.consistency(log, old, checkpoint.size) if 0 < old < checkpoint.size else []
    own = Note(note.text, tuple(each for each in note.signatures if each.name == checkpoint.origin))
    lines = [f"old {old}", *(base64.b64encode(digest).decode() for digest in proof), "", str(own)]
    return "\n".join(lines).encode(), checkpoint


def ask(
    read: Callable[[], AbstractContextManager[WitnessedWork]],
    write: Callable[[], AbstractContextManager[WitnessedWork]],
    witness: Witness,
    post: Post,
) -> Checkpoint:
    """Have *witness* cosign the newest checkpoint, and keep its signature; return what it signed for.

    It is called outside of any unit of work, since it waits for another machine.

    Raises:
        ForkSeen: the witness has seen another history.
        Unavailable: it does not answer, or does not know this record.
    """
    with read() as work:
        old = work.log.cosigned_size(witness.id)
        body, checkpoint = submission(work.log, old)
    answer = post(f"{witness.url}/add-checkpoint", body)
    if answer.status == 409 and answer.content_type.partition(";")[0] == SIZE_TYPE:
        known = _size(answer.body, witness)
        if known == old:
            raise _forked(witness, checkpoint)
        with read() as work:
            body, checkpoint = submission(work.log, known)
        answer = post(f"{witness.url}/add-checkpoint", body)
    if answer.status in (409, 422):
        raise _forked(witness, checkpoint)
    if answer.status != 200:
        raise Unavailable(
            f"The witness {witness.key.name} answered {answer.status}.",
            next_step="Ask its operator whether it knows this record's name and key; 404 and 403 mean that it does not.",
        )
    signature = _own_line(answer.body, checkpoint, witness)
    with write() as work:
        work.log.cosign(checkpoint.size, witness.id, str(signature))
    return checkpoint


def _size(body: bytes, witness: Witness) -> int:
    text = body.decode("ascii", "replace").removesuffix("\n")
    if not text.isdigit() or len(text) > 18:
        raise _nonsense(witness)
    return int(text)


def _own_line(body: bytes, checkpoint: Checkpoint, witness: Witness) -> Signature:
    try:
        note = Note.parse(f"{checkpoint.text}\n{body.decode()}")
    except (InvalidInput, UnicodeDecodeError):
        raise _nonsense(witness) from None
    if cosigned_at(note, witness.key) is None:
        raise _nonsense(witness)
    wanted = (witness.key.name, witness.key.key_id)
    return next(each for each in note.signatures if (each.name, each.key_id) == wanted)


def _nonsense(witness: Witness) -> Unavailable:
    return Unavailable(
        f"The witness {witness.key.name} did not answer with a cosignature of its own.",
        next_step="Compare its key with the one in the settings, and ask its operator.",
    )


def _forked(witness: Witness, checkpoint: Checkpoint) -> ForkSeen:
    return ForkSeen(
        f"The witness {witness.key.name} has signed for another history than these {checkpoint.size} entries.",
        next_step="Append nothing. Compare your backups with the checkpoints that others kept.",
    )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def http_post(url: str, body: bytes, content_type: str = "text/plain; charset=utf-8") -> Answer:
    """POST *body*, and follow no redirect. Raises Unavailable when nobody answers in time."""
    request = urllib.request.Request(url, body, {"content-type": content_type})  # noqa: S310
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            return Answer(answer.status, answer.headers.get("content-type", ""), answer.read(MAX_ANSWER))
    except urllib.error.HTTPError as refused:
        with refused:
            return Answer(refused.code, refused.headers.get("content-type", ""), refused.read(MAX_ANSWER))
    except (OSError, ValueError) as why:
        raise Unavailable(
            f"Nobody answers at {urlsplit(url).netloc}: {why}.",
            next_step="Try again later; the checkpoint is signed and served all the same.",
        ) from None
