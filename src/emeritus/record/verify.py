"""Replay the whole record, and say what does not hold."""

from collections.abc import Callable, Iterable, Iterator

from attrs import frozen

from emeritus.core.errors import EmeritusError
from emeritus.core.speech import Utterances
from emeritus.record import merkle
from emeritus.record.checkpoint import Checkpoint
from emeritus.record.entry import Entry
from emeritus.record.keys import VerifyKey


@frozen
class Finding:
    """Something that is not as the record says. *where* names the entry, node, note or utterance."""

    where: str
    what: str


class _Replayed:
    """The nodes that the entries themselves give."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[int, int], bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        return self._nodes[level, index]

    def add(self, seq: int, leaf: bytes) -> list[tuple[int, int, bytes]]:
        made = merkle.grow(self, seq, leaf)
        for level, index, digest in made:
            self._nodes[level, index] = digest
        return made


def verify_log(
    rows: Iterable[bytes],
    notes: Iterable[str],
    keys: Iterable[VerifyKey],
    utterances: Utterances | None = None,
    *,
    stored: merkle.Nodes | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[Finding]:
    """Yield everything that does not hold; nothing when all does.

    Args:
        rows: the logged bytes of every entry, in order.
        notes: every signed checkpoint that was ever kept, in any order.
        keys: the public keys to believe.
        utterances: where the words are that entries point to; None leaves them unchecked.
        stored: the hashes that proofs are made from; None leaves them unchecked.
        progress: called with the number of entries done.
    """
    trusted = list(keys)
    replayed = _Replayed()
    last: Entry | None = None
    size = 0
    for seq, data in enumerate(rows):
        entry, problem = _read(data, seq, last)
        if problem:
            yield Finding(f"entry {seq}", problem)
        made = replayed.add(seq, merkle.leaf_hash(data))
        if stored is not None:
            yield from _compare(stored, made)
        if entry is not None:
            last = entry
            if utterances is not None:
                yield from _words(entry, utterances)
        size = seq + 1
        progress(size)
    yield from _checkpoints(notes, trusted, replayed, size)


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


def _compare(stored: merkle.Nodes, made: list[tuple[int, int, bytes]]) -> Iterator[Finding]:
    for level, index, digest in made:
        try:
            same = stored.node(level, index) == digest
        except KeyError:
            same = False
        if not same:
            yield Finding(f"hash {level}/{index}", "it is not the hash of the entries below it")


def _words(entry: Entry, utterances: Utterances) -> Iterator[Finding]:
    ids = [value for name, value in entry.body.items() if name == "utterance" and isinstance(value, str)]
    for utterance_id in ids:
        try:
            utterances.get(utterance_id)
        except EmeritusError as why:
            yield Finding(f"entry {entry.seq}, utterance {utterance_id}", why.sentence)


def _checkpoints(
    notes: Iterable[str], keys: list[VerifyKey], nodes: merkle.Nodes, size: int
) -> Iterator[Finding]:
    newest = -1
    for note in notes:
        try:
            checkpoint = Checkpoint.open(note, keys)
        except EmeritusError as why:
            yield Finding("checkpoint", why.sentence)
            continue
        newest = max(newest, checkpoint.size)
        if checkpoint.size > size:
            what = f"{checkpoint.size} entries were signed for, and {size} are here: the end was cut off"
            yield Finding(f"checkpoint {checkpoint.size}", what)
        elif merkle.root(nodes, checkpoint.size) != checkpoint.root:
            what = "the entries before it are not those that were signed for"
            yield Finding(f"checkpoint {checkpoint.size}", what)
    if max(newest, 0) < size:
        what = f"nobody signed for the last {size - max(newest, 0)} entries"
        yield Finding("checkpoint", what)
