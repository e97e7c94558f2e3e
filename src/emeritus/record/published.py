"""The record as somebody publishes it, read by a stranger: nothing counts that does not lead to the key."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from emeritus.core.clock import SystemClock
from emeritus.core.errors import EmeritusError, IntegrityError, InvalidInput, NotFound, NotPermitted
from emeritus.record import merkle
from emeritus.record.checkpoint import Checkpoint
from emeritus.record.edge import WIDTH
from emeritus.record.entry import MAX_BYTES, Act, Entry
from emeritus.record.keys import SigningKey, VerifyKey
from emeritus.record.memory import MemoryLog
from emeritus.record.note import Note
from emeritus.record.rotation import KIND, KeyChain, WrongKey
from emeritus.record.source import Source
from emeritus.record.tiles import HASH, MAX_ENTRY, Tile, TileNodes, unbundle
from emeritus.record.verify import Finding, verify_log

MOST_ENTRIES = 50_000_000
"""A record that says it is longer is not read to its end."""
MOST_WHOLE = 2_000_000
"""Nor held in memory when it is longer than this."""
MOST_ROTATIONS = 1000
_MOST_NOTE = 1 << 17
_MOST_BUNDLE = WIDTH * (MAX_ENTRY + 2)


def served_keys(source: Source) -> list[VerifyKey]:
    """Return the keys that *source* says are its own, the first one first.

    Raises:
        IntegrityError: these are no keys; NotFound, Unavailable: as `Source.read`.
    """
    lines = _text(source.read("record/keys", _MOST_NOTE)).split("\n")
    with _served():
        keys = [VerifyKey.parse(line) for line in lines if line]
    if not keys:
        raise IntegrityError(f"{source.place} names no key.", next_step="Give the key: --key.")
    return keys


class PublishedRecord:
    """A signed checkpoint, its key followed from those that are *trusted*, and what is proven by it.

    *trusted* are the record's first key, or whichever is known to be its own; further ones replaced a lost
    key. *note* is another checkpoint than the newest one.

    Raises:
        WrongKey: the checkpoint is not signed by the key in force.
        IntegrityError: what is served does not fit together. NotFound, Unavailable: it is not all there.
    """

    def __init__(self, source: Source, trusted: Sequence[VerifyKey], note: str | None = None) -> None:
        self.source, self.trusted = source, tuple(trusted)
        self.note = _text(source.read("record/checkpoint", _MOST_NOTE)) if note is None else note
        with _served():
            self.checkpoint = Checkpoint.read(Note.parse(self.note).text)
        self.size = self.checkpoint.size
        self.nodes = TileNodes(SourceTiles(source), self.size)
        self._bundles: dict[int, list[bytes]] = {}
        self._chain = self._followed(trusted)
        try:
            opened = Checkpoint.open(self.note, self._chain.in_force)
        except IntegrityError:
            known = ", ".join(f"{key.name}+{key.key_id.hex()}" for key in self._chain.in_force)
            raise WrongKey(
                f"The checkpoint of {source.place} is not signed by the key in force: {known}.",
                next_step="Ask the organisation, by another way than its site, which key is its own.",
            ) from None
        if opened.origin != self.key.name:
            raise WrongKey(
                f"The checkpoint of {source.place} is that of another record.",
                next_step="Compare the first line of the checkpoint with the key's name.",
            )

    @property
    def key(self) -> VerifyKey:
        """The key in force."""
        return self._chain.in_force[0]

    @property
    def rotations(self) -> tuple[int, ...]:
        """The entries by which the key changed hands."""
        return tuple(seq for seq, _ in self._chain.history)

    def _followed(self, trusted: Sequence[VerifyKey]) -> KeyChain:
        chain = KeyChain(trusted)
        try:
            lines = _text(self.source.read("record/rotations", _MOST_NOTE)).split()
        except NotFound:
            return chain
        if len(lines) > MOST_ROTATIONS or not all(line.isascii() and line.isdigit() for line in lines):
            raise IntegrityError("The list of rotations is none.", next_step="Fetch it again.")
        for seq in sorted({int(line[:20]) for line in lines}):
            if seq < self.size:
                follow(chain, self.entry(seq))
        return chain

    def data(self, seq: int) -> bytes:
        """Return the bytes of an entry, proven to stand in the checkpoint's tree."""
        if not 0 <= seq < self.size:
            raise NotFound(
                f"There is no entry {seq} among the {self.size} that are signed for.",
                next_step="Fetch it again, with a newer checkpoint.",
            )
        rows = self._bundle(seq // WIDTH)
        data = rows[seq % WIDTH] if rows else self._alone(seq)
        if not merkle.verify_inclusion(
            merkle.leaf_hash(data), seq, self.size, self.path(seq), self.checkpoint.root
        ):
            raise IntegrityError(
                f"Entry {seq} does not stand in the record that was signed.",
                next_step="Keep both, the entry and the checkpoint: one of them is false.",
            )
        return data

    def path(self, seq: int) -> list[bytes]:
        """Return the audit path of an entry, leaf side first."""
        return merkle.inclusion(self.nodes, seq, self.size)

    def entry(self, seq: int) -> Entry:
        """Return an entry, proven. Raises IntegrityError, NotFound, Unavailable."""
        entry = Entry.read(self.data(seq))
        if entry.seq != seq:
            raise IntegrityError(
                f"Entry {seq} says that it is entry {entry.seq}.", next_step="The house has to explain that."
            )
        return entry

    def rows(self, begin: int = 0) -> Iterator[bytes]:
        """Yield the bytes of every entry from *begin* on, as they are served; nothing of them is proven."""
        if self.size > MOST_ENTRIES:
            raise _too_long(self.size, MOST_ENTRIES)
        for position in range(begin // WIDTH, -(-self.size // WIDTH) if begin < self.size else 0):
            first = position * WIDTH
            rows = self._bundle(position)
            for seq in range(max(begin, first), min(first + WIDTH, self.size)):
                yield rows[seq - first] if rows else self._alone(seq)

    def extends(self, older: Checkpoint) -> bool:
        """Tell whether the entries of *older* are the first of these, unchanged."""
        if not 0 < older.size <= self.size:
            return older.size == 0
        proof = merkle.consistency(self.nodes, older.size, self.size)
        return merkle.verify_consistency(older.size, self.size, proof, older.root, self.checkpoint.root)

    def whole(self, trusted: Sequence[VerifyKey] = ()) -> tuple["RecordCopy", list[Finding]]:
        """Read every entry; return them, and what does not hold. *trusted*: keys that replaced a lost one."""
        if self.size > MOST_WHOLE:
            raise _too_long(self.size, MOST_WHOLE)
        entries: list[Entry] = []

        def reading() -> Iterator[bytes]:
            for row in self.rows():
                with suppress(EmeritusError):  # verify_log says which one
                    entries.append(Entry.read(row))
                yield row

        keys = list(dict.fromkeys([*served_keys(self.source)[:1], *trusted]))
        stored = _Stored(SourceTiles(self.source))
        findings = list(verify_log(reading(), [self.note], keys, stored=stored))
        return RecordCopy(entries, self.note, self.checkpoint), findings

    def _bundle(self, position: int) -> list[bytes]:
        """Return the entries of a bundle; none where one of them is too long for it."""
        known = self._bundles.get(position)
        if known is None:
            width = min(WIDTH, self.size - position * WIDTH)
            try:
                known = unbundle(_tile(self.source, Tile(None, position, width), _MOST_BUNDLE))[:width]
            except NotFound:
                known = []
            if known and len(known) != width:
                raise IntegrityError(
                    f"A bundle has {len(known)} entries instead of {width}.", next_step="Fetch it again."
                )
            if len(self._bundles) > 8:
                self._bundles.pop(next(iter(self._bundles)))
            self._bundles[position] = known
        return known

    def _alone(self, seq: int) -> bytes:
        return self.source.read(f"record/{seq}.json", MAX_BYTES)


def _too_long(size: int, most: int) -> InvalidInput:
    return InvalidInput(
        f"The record is said to have {size} entries, and {most} are read at most.",
        next_step="Check one essay or one entry instead.",
    )


def follow(chain: KeyChain, entry: Entry) -> None:
    """Take a rotation that concerns the key in force, or one that is trusted; pass over what came before."""
    concerned = [str(key) for key in (*chain.in_force, *chain.trusted)]
    named = entry.body if isinstance(entry.body, Mapping) else {}
    if entry.kind == KIND and (named.get("old") in concerned or named.get("new") in concerned):
        chain.take(entry)


class SourceTiles:
    """The tiles of a source. Raises NotFound, IntegrityError, Unavailable."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def tile(self, level: int, position: int, width: int) -> bytes:
        data = _tile(self._source, Tile(level, position, width), WIDTH * HASH)[: width * HASH]
        if len(data) != width * HASH:
            raise IntegrityError(
                f"The tile {Tile(level, position, width).path} is cut off.", next_step="Fetch it again."
            )
        return data


class _Stored:
    """The same for `verify_log`, which tells what is wrong with a tile itself."""

    def __init__(self, tiles: SourceTiles) -> None:
        self._tiles = tiles

    def tile(self, level: int, position: int, width: int) -> bytes:
        try:
            return self._tiles.tile(level, position, width)
        except (NotFound, IntegrityError):
            raise KeyError((level, position, width)) from None


def _tile(source: Source, tile: Tile, most: int) -> bytes:
    """Read a tile; one that is full by now may stand for a part of it (C2SP tlog-tiles)."""
    try:
        return source.read(f"record/{tile.path}", most)
    except NotFound:
        if tile.width == WIDTH:
            raise
        return source.read(f"record/{Tile(tile.level, tile.position).path}", most)


class RecordCopy(MemoryLog):
    """Entries that were read elsewhere, as a `Log` in which nobody writes."""

    def __init__(self, entries: Iterable[Entry], note: str, checkpoint: Checkpoint) -> None:
        super().__init__(SystemClock(), SigningKey.from_seed(checkpoint.origin, bytes(32)))
        self._entries = list(entries)
        self._by_key = {entry.key: entry for entry in self._entries if entry.key is not None}
        self._read = note, checkpoint

    def before(self, size: int) -> "RecordCopy":
        """Return the copy as it was when it had *size* entries; its checkpoint is still that of all."""
        note, checkpoint = self._read
        return RecordCopy(self._entries[:size], note, checkpoint)

    def append_many(self, acts: Sequence[Act]) -> list[Entry]:  # noqa: ARG002
        raise NotPermitted("This is a copy of a record.", next_step="Act in the house itself.")

    def checkpoint(self) -> Checkpoint:
        return self._read[1]

    def signed_checkpoint(self) -> str:
        return self._read[0]


@contextmanager
def _served() -> Iterator[None]:
    """What a person gave may be mistyped; what a site serves has to be what it is said to be."""
    try:
        yield
    except InvalidInput as why:
        raise IntegrityError(why.sentence, next_step=why.next_step) from None


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise IntegrityError("What is served is no text.", next_step="Fetch it again.") from None
