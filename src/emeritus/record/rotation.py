"""Rotation: the key in force puts the next one on the record, and a verifier follows the chain.

The entry ``record_key.rotated`` says which key signs from there on. It holds a signed note over both keys: signed
by the old one, which hands over, and by the new one, which shows that it is there. Whoever trusts the
first key needs nothing else. A key that was lost cannot sign; then the note has the new signature alone,
and a verifier believes it only when told the new key by other means.
"""

from collections.abc import Iterable

from emeritus.core.errors import IntegrityError, InvalidInput
from emeritus.core.people import Actor, require_person
from emeritus.record.entry import Act, Entry
from emeritus.record.keys import SigningKey, VerifyKey
from emeritus.record.log import Log
from emeritus.record.note import Note, sign_note

KIND = "record_key.rotated"
KINDS = frozenset({"record_key.rotated"})
_HEAD = "emeritus key rotation v1"


class WrongKey(IntegrityError):
    """This key does not sign this record (any more)."""

    id = "record.wrong_key"


def rotation(
    old: VerifyKey, new: SigningKey, seq: int, *, by: Actor, reason: str, handed_by: SigningKey | None
) -> Act:
    """Return the act that puts *new* in the place of *old*, as entry *seq*.

    *handed_by* is the old key itself; None when it is lost.

    Raises:
        InvalidInput: no reason, another name, or the same key.
        NotPermitted: *by* is no person.
    """
    require_person(by, "rotate the record's key")
    if not reason.strip():
        raise InvalidInput("The reason is missing.", next_step="Say why the key is rotated: --reason.")
    if new.name != old.name or new.verify_key == old:
        raise InvalidInput(
            f"The new key has to be another one of the same name, {old.name}.",
            next_step="Make it with `emeritus record rotate-key`.",
        )
    signers = (new,) if handed_by is None else (handed_by, new)
    body = {
        "old": str(old),
        "new": str(new.verify_key),
        "lost": handed_by is None,
        "reason": reason.strip(),
        "note": sign_note(_statement(old, new.verify_key, seq), *signers),
    }
    key = f"record_key.rotated:{new.verify_key.key_id.hex()}:{seq}"
    return Act("record_key.rotated", body, by, key=key)


def _statement(old: VerifyKey, new: VerifyKey, seq: int) -> str:
    return f"{_HEAD}\n{old.name}\n{seq}\n{old}\n{new}\n"


class KeyChain:
    """The keys of one record, in the order in which they signed.

    Args:
        trusted: the keys to believe: the first of them signs from the start; any other is one that was made
            known elsewhere, and is believed once a rotation names it, even a rotation of a lost key.
    """

    def __init__(self, trusted: Iterable[VerifyKey]) -> None:
        self.trusted = tuple(trusted)
        self.in_force = self.trusted[:1]
        """The key that has to sign checkpoints now."""
        self.history: list[tuple[int, VerifyKey]] = []
        """Every rotation followed so far: the number of the entry, and the key from there on."""

    def take(self, entry: Entry) -> None:
        """Follow *entry*, when it is a rotation; entries have to come in their order.

        Raises:
            IntegrityError: it is not signed by a key in force, nor is the new key one that is trusted.
        """
        if entry.kind not in KINDS:
            return
        try:
            old, new = VerifyKey.parse(entry.body["old"]), VerifyKey.parse(entry.body["new"])
            note = Note.parse(entry.body["note"])
            if note.text != _statement(old, new, entry.seq) or old.name != new.name:
                raise InvalidInput("Its note says something else.", next_step="")
        except (InvalidInput, KeyError, TypeError, AttributeError):
            raise _broken(entry, "is not written as a rotation is") from None
        note_key = {(each.name, each.key_id) for each in note.signatures}
        handed = old in self.in_force and (old.name, old.key_id) in note_key
        if not handed and new not in self.trusted:
            raise _broken(entry, "was not signed by the key before it")
        for key in (old, new) if handed else (new,):
            try:
                note.opened([key])
            except IntegrityError:
                raise _broken(entry, "has a signature that does not hold") from None
        self.in_force = (new,)
        self.history.append((entry.seq, new))

    @property
    def all(self) -> tuple[VerifyKey, ...]:
        """Every key that signed, or was trusted from the start."""
        return tuple(dict.fromkeys((*self.trusted, *(key for _, key in self.history))))


def _broken(entry: Entry, why: str) -> IntegrityError:
    return IntegrityError(
        f"The rotation of the key in entry {entry.seq} {why}.",
        next_step="Ask the organisation, by another way than its site, which key is its own.",
    )


def first_key(log: Log) -> VerifyKey | None:
    """Return the key that the record's first entry names."""
    first = log.entries(limit=1)
    try:
        return VerifyKey.parse(str(first[0].body["verify_key"])) if first else None
    except (KeyError, InvalidInput):
        return None


def key_in_force(log: Log) -> VerifyKey | None:
    """Return the key that has to sign now, as the record says."""
    rotated = log.entries(kinds=KINDS, newest_first=True, limit=1)
    return VerifyKey.parse(rotated[0].body["new"]) if rotated else first_key(log)


def keys_of(log: Log, *trusted: VerifyKey) -> tuple[VerifyKey, ...]:
    """Return every key that signed this record, the first one first.

    Raises:
        IntegrityError: a rotation does not hold.
    """
    first = first_key(log)
    chain = KeyChain([*([first] if first else ()), *trusted])
    for entry in log.entries(kinds=KINDS):
        chain.take(entry)
    return chain.all
