"""Replay the whole record, and say what does not hold."""

from collections.abc import Callable, Iterable, Iterator

from attrs import frozen

from emeritus.core.errors import EmeritusError
from emeritus.core.speech import Utterances
from emeritus.record import merkle
from emeritus.record.checkpoint import Checkpoint
from emeritus.record.edge import HEIGHT, WIDTH, Edge, FullTile
from emeritus.record.entry import Entry
from emeritus.record.keys import VerifyKey
from emeritus.record.note import Note, open_note
from emeritus.record.rotation import KeyChain
from emeritus.record.tiles import HASH, Tiles


@frozen
class Finding:
    """Something that is not as the record says. *where* names the entry, node, note or utterance."""

    where: str
    what: str


def verify_log(
    rows: Iterable[bytes],
    notes: Iterable[str],
    keys: Iterable[VerifyKey],
    utterances: Utterances | None = None,
    *,
    stored: Tiles | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[Finding]:
    """Yield everything that does not hold; nothing when all does.

    Args:
        rows: the logged bytes of every entry, in order.
        notes: every signed checkpoint that was ever kept, here or by anybody, in any order.
        keys: the public keys to believe, the record's first key first: it is enough, since rotations are
            followed. Further ones are those that replaced a lost key, as they were made known elsewhere.
        utterances: where the words are that entries point to; None leaves them unchecked.
        stored: the tiles that proofs are made from; None leaves them unchecked.
        progress: called with the number of entries done.
    """
    chain = KeyChain(keys)
    edge = Edge()
    signed = _Signed(notes)
    said: set[str] = set()
    last: Entry | None = None
    yield from signed.check(0, edge, chain)
    for seq, data in enumerate(rows):
        entry, problem = _read(data, seq, last)
        if problem:
            yield Finding(f"entry {seq}", problem)
        for tile in edge.append(merkle.leaf_hash(data)):
            if stored is not None:
                yield from _compare(stored, tile)
        if entry is not None:
            last = entry
            yield from _follow(chain, entry)
            if utterances is not None:
                yield from _words(entry, utterances, said)
        yield from signed.check(seq + 1, edge, chain)
        progress(seq + 1)
    if stored is not None:
        yield from _compare_edge(stored, edge)
    yield from signed.left(edge.size, chain)


def _read(data: bytes, seq: int, last: Entry | None) -> tuple[Entry | None, str]:
    try:
        entry = Entry.read(data)
    except EmeritusError as why:
        return None, why.sentence
    if entry.seq != seq:
        return entry, f"it says that it is entry {entry.seq}"
    if last is not None and entry.at < last.at:
        return entry, "it is older than the entry before it"
    return entry, ""


def _follow(chain: KeyChain, entry: Entry) -> Iterator[Finding]:
    try:
        chain.take(entry)
    except EmeritusError as why:
        yield Finding(f"entry {entry.seq}", why.sentence)


def _compare(stored: Tiles, tile: FullTile) -> Iterator[Finding]:
    if _stored(stored, tile.level, tile.position, WIDTH) != tile.hashes:
        yield Finding(
            f"tile {tile.level}/{tile.position}", "it does not hold the hashes of the entries below it"
        )


def _compare_edge(stored: Tiles, edge: Edge) -> Iterator[Finding]:
    """Compare the partial tiles, one hash after the other so that the finding names the wrong one."""
    for level, hashes in enumerate(edge.levels):
        first = (edge.size >> HEIGHT * level) // WIDTH
        kept = _stored(stored, level, first, len(hashes)) if hashes else b""
        for at, digest in enumerate(hashes):
            if kept[at * HASH : (at + 1) * HASH] != digest:
                below = first * WIDTH + at
                what = "its root is not the hash of the entries below it"
                yield Finding(f"tile {level - 1}/{below}" if level else f"entry {below}", what)


def _stored(stored: Tiles, level: int, position: int, width: int) -> bytes:
    try:
        return stored.tile(level, position, width)
    except KeyError:
        return b""


def _words(entry: Entry, utterances: Utterances, said: set[str]) -> Iterator[Finding]:
    """Check the words that *entry* points to, unless they are among *said*: those that were found sound."""
    utterance_id = entry.body.get("utterance")
    if isinstance(utterance_id, str) and utterance_id not in said:
        try:
            utterances.get(utterance_id)
        except EmeritusError as why:
            yield Finding(f"entry {entry.seq}, utterance {utterance_id}", why.sentence)
        else:
            said.add(utterance_id)


class _Signed:
    """The signed checkpoints, each checked when the replay has come to its size."""

    def __init__(self, notes: Iterable[str]) -> None:
        self._waiting: dict[int, list[tuple[str, Checkpoint]]] = {}
        self._unread: list[str] = []
        self._newest = 0
        for note in notes:
            try:
                checkpoint = Checkpoint.read(Note.parse(note).text)
            except EmeritusError as why:
                self._unread.append(why.sentence)
            else:
                self._waiting.setdefault(checkpoint.size, []).append((note, checkpoint))

    def check(self, size: int, edge: Edge, chain: KeyChain) -> Iterator[Finding]:
        """Check what was signed for *size* entries, by the key that was in force then."""
        for note, checkpoint in self._waiting.pop(size, ()):
            where = f"checkpoint {size}"
            if sentence := _unsigned(note, chain):
                yield Finding(where, sentence)
                continue
            self._newest = size
            if checkpoint.root != edge.root():
                yield Finding(where, "the entries before it are not those that were signed for")

    def left(self, size: int, chain: KeyChain) -> Iterator[Finding]:
        """Tell of checkpoints beyond the end, of those that are none, and of entries that nobody signed for."""
        for sentence in self._unread:
            yield Finding("checkpoint", sentence)
        for beyond, notes in sorted(self._waiting.items()):
            for note, _ in notes:
                what = f"{beyond} entries were signed for, and {size} are here: the end was cut off"
                yield Finding(f"checkpoint {beyond}", _unsigned(note, chain) or what)
        if self._newest < size:
            yield Finding("checkpoint", f"nobody signed for the last {size - self._newest} entries")


def _unsigned(note: str, chain: KeyChain) -> str:
    try:
        open_note(note, chain.in_force)
    except EmeritusError as why:
        return why.sentence
    return ""
