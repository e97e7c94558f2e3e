"""The log and the words in memory: public fakes that pass the contract tests of the real ones."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

from emeritus.core.clock import Clock
from emeritus.core.errors import Conflict, EmeritusError, NotFound, Unavailable
from emeritus.core.people import Actor
from emeritus.core.speech import Utterance
from emeritus.record import merkle
from emeritus.record.checkpoint import Checkpoint
from emeritus.record.edge import Edge, FullTile
from emeritus.record.entry import Act, Entry
from emeritus.record.keys import SigningKey
from emeritus.record.rotation import rotation
from emeritus.record.tiles import HASH, Tile, TileNodes

CLOCK_TOLERANCE = timedelta(seconds=5)


def next_time(now: datetime, last: datetime | None) -> datetime:
    """Return the time of the next entry, never before the *last* one.

    A clock that was set back by a few seconds is waited out by repeating the last time.

    Raises:
        Unavailable: it is further behind than that, so its word cannot be put on the record.
    """
    if last is None or now >= last:
        return now
    if last - now <= CLOCK_TOLERANCE:
        return last
    raise Unavailable(
        f"The clock reads {now:%Y-%m-%d %H:%M:%S} UTC, and the last entry was written at "
        f"{last:%Y-%m-%d %H:%M:%S}.",
        next_step="Set the machine's clock right; the record never goes back in time.",
    )


def conflict(act: Act, standing: Entry) -> Conflict:
    """Return the error for an act that contradicts the one that stands under its key."""
    about = act.subject or act.model or "this"
    return Conflict(
        f"{act.kind} for {about} is on the record already (entry {standing.seq}, by {standing.by.name}), "
        "and says something else.",
        next_step=f"Read entry {standing.seq} first; what stands is revised by a new act, never rewritten.",
    )


class MemoryLog:
    """A `Log` in a list."""

    def __init__(self, clock: Clock, key: SigningKey) -> None:
        self._clock = clock
        self._keys = [(-1, key)]  # each with the entry that put it in force
        self._entries: list[Entry] = []
        self._by_key: dict[str, Entry] = {}
        self._edge = Edge()
        self._full: dict[tuple[int, int], FullTile] = {}
        self._cosigned: dict[int, dict[str, str]] = {}

    def append(self, act: Act) -> Entry:
        return self.append_many([act])[0]

    def append_many(self, acts: Sequence[Act]) -> list[Entry]:
        before = self.size()
        try:
            return [self._append(act) for act in acts]
        except EmeritusError:
            self.forget_after(before)
            raise

    def _append(self, act: Act) -> Entry:
        if act.key is not None and (standing := self._by_key.get(act.key)):
            if standing.same_act(act):
                return standing
            raise conflict(act, standing)
        last = self._entries[-1].at if self._entries else None
        entry = Entry.of(act, self.size(), next_time(self._clock.now(), last))
        self._grow(entry.leaf)
        self._entries.append(entry)
        if act.key is not None:
            self._by_key[act.key] = entry
        return entry

    def _grow(self, leaf: bytes) -> None:
        for tile in self._edge.append(leaf):
            self._full[tile.level, tile.position] = tile

    def rotate(self, new: SigningKey, *, by: Actor, reason: str) -> Entry:
        """Hand over to the key *new*, on the record. See `emeritus.record.rotation`."""
        old = self._keys[-1][1]
        entry = self.append(rotation(old.verify_key, new, self.size(), by=by, reason=reason, handed_by=old))
        self._keys.append((entry.seq, new))
        return entry

    def entries(
        self,
        *,
        model: str | None = None,
        kinds: Collection[str] | None = None,
        subject: str | None = None,
        begin: int = 0,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Sequence[Entry]:
        ordered = reversed(self._entries) if newest_first else iter(self._entries)
        found = (
            entry
            for entry in ordered
            if entry.seq >= begin
            and (model is None or entry.model == model)
            and (kinds is None or entry.kind in kinds)
            and (subject is None or entry.subject == subject)
        )
        return list(islice(found, limit))

    def find(self, key: str) -> Entry | None:
        return self._by_key.get(key)

    def get(self, seq: int) -> Entry:
        if not 0 <= seq < len(self._entries):
            raise no_entry(seq, len(self._entries))
        return self._entries[seq]

    def size(self) -> int:
        return len(self._entries)

    def tile(self, level: int, position: int, width: int) -> bytes:
        if not Tile(level, position, width).fits(self.size()):
            raise KeyError((level, position, width))
        full = self._full.get((level, position))
        hashes = full.hashes if full else b"".join(self._edge.levels[level])
        return hashes[: width * HASH]

    def node(self, level: int, index: int) -> bytes:
        return TileNodes(self, self.size()).node(level, index)

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self._keys[-1][1].name, self.size(), self._edge.root())

    def signed_checkpoint(self) -> str:
        return self._note(self.size())

    def sealed_size(self) -> int:
        return self.size()

    def cosigned_checkpoint(self) -> str | None:
        return self._note(max(self._cosigned)) if self._cosigned else None

    def cosigned_size(self, witness: str) -> int:
        """Return the size of the newest checkpoint that *witness* cosigned, or 0."""
        return max((size for size, lines in self._cosigned.items() if witness in lines), default=0)

    def cosign(self, size: int, witness: str, line: str) -> None:
        """Keep the cosignature of *witness* below the checkpoint of *size*; a second one is passed over."""
        self._cosigned.setdefault(size, {}).setdefault(witness, line)

    def _note(self, size: int) -> str:
        signers = [key for since, key in reversed(self._keys) if since < size]
        handing_over = any(since == size - 1 for since, _ in self._keys[1:])
        root = merkle.root(self, size)
        note = Checkpoint(signers[0].name, size, root).sign(*signers[: 2 if handing_over else 1])
        return note + "".join(f"{line}\n" for _, line in sorted(self._cosigned.get(size, {}).items()))

    def forget_after(self, size: int) -> None:
        """Cut the log back to *size* entries: what a unit of work does that is not committed."""
        if size == self.size():
            return
        self._entries = self._entries[:size]
        self._keys = [(since, key) for since, key in self._keys if since < size]
        self._by_key = {key: entry for key, entry in self._by_key.items() if entry.seq < size}
        self._cosigned = {at: lines for at, lines in self._cosigned.items() if at <= size}
        self._edge, self._full = Edge(), {}
        for entry in self._entries:
            self._grow(entry.leaf)


class MemoryUtterances:
    """`Utterances` in a dict, kept as canonical bytes."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def keep(self, utterance: Utterance) -> str:
        self._kept.setdefault(utterance.id, utterance.canonical())
        return utterance.id

    def get(self, utterance_id: str) -> Utterance:
        try:
            return Utterance.from_canonical(self._kept[utterance_id], utterance_id)
        except KeyError:
            raise no_utterance(utterance_id) from None

    def ids(self) -> Iterator[str]:
        return iter(list(self._kept))


def no_entry(seq: int, size: int) -> NotFound:
    """Return the error for an entry that is not there."""
    return NotFound(
        f"The record has no entry {seq}; it has {size}.", next_step="See the list of entries at /record."
    )


def no_utterance(utterance_id: str) -> NotFound:
    """Return the error for words that were never kept."""
    return NotFound(
        f"No words are kept under {utterance_id[:80]!r}.",
        next_step="Copy the whole id (sha256: and 64 hex digits) from the page that shows the words.",
    )
