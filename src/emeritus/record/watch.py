"""Watching a record: checkpoints are remembered, and each new one has to extend them all.

What was seen is kept in a file to which lines are only added, so that nobody has to be believed later. A
contradiction is kept as evidence: two notes that the same key signed cannot both be true.
"""

import base64
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from attrs import frozen

from emeritus.core.clock import instant, parse_instant
from emeritus.core.errors import EmeritusError, IntegrityError, InvalidInput
from emeritus.record.checkpoint import Checkpoint
from emeritus.record.entry import Entry
from emeritus.record.keys import VerifyKey
from emeritus.record.memory import CLOCK_TOLERANCE
from emeritus.record.merkle import leaf_hash, verify_inclusion
from emeritus.record.note import Note
from emeritus.record.published import PublishedRecord, follow
from emeritus.record.rotation import KeyChain, WrongKey
from emeritus.record.source import Source

AHEAD = timedelta(hours=1)
"""How far in the future an entry's time may be, by the watcher's own clock."""
_MOST_STATE = 64 << 20


@frozen
class Seen:
    """A checkpoint that was seen at *place*, and found to be well.

    *keys* sign from there on: the one in force first. *last_at* is the time of its last entry.
    """

    place: str
    at: datetime
    note: str
    keys: tuple[VerifyKey, ...]
    last_at: datetime | None

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint.read(Note.parse(self.note).text)

    def line(self) -> str:
        told = {
            "place": self.place,
            "at": instant(self.at),
            "note": self.note,
            "keys": [str(key) for key in self.keys],
            "last_at": None if self.last_at is None else instant(self.last_at),
        }
        return json.dumps(told, ensure_ascii=False) + "\n"

    @classmethod
    def parse(cls, line: str) -> "Seen":
        raw = json.loads(line)
        last = raw["last_at"]
        return cls(
            place=raw["place"],
            at=parse_instant(raw["at"]),
            note=raw["note"],
            keys=tuple(VerifyKey.parse(key) for key in raw["keys"]),
            last_at=None if last is None else parse_instant(last),
        )


@frozen
class Alarm:
    """Something that a record must never do. *id* is one of `ALARMS`; *notes* are the signed notes that show it."""

    id: str
    place: str
    sentence: str
    notes: tuple[str, ...] = ()


ALARMS = {
    "rewritten": "entries that were signed for are not those that are served now",
    "forked": "two checkpoints of one size, or at two places, do not belong to one history",
    "shrunk": "there are fewer entries than were signed for",
    "clock": "the time of an entry goes back, or lies in the future",
    "key": "the key is another one, and none handed over to it",
    "broken": "what is served does not fit together",
}


@frozen
class Watched:
    """What one look came to: the checkpoint at each place that could be asked, and the *alarms*."""

    seen: tuple[Seen, ...]
    alarms: tuple[Alarm, ...]
    away: tuple[EmeritusError, ...]
    evidence: tuple[Path, ...] = ()


@frozen
class Memory:
    """What was seen, in the file *path*: a line for each checkpoint, only ever added to."""

    path: Path

    @property
    def evidence(self) -> Path:
        """The folder in which contradictions are kept."""
        return self.path.with_name(f"{self.path.name}.evidence")

    def seen(self) -> list[Seen]:
        """Return what was seen, the oldest first. A last line that was cut off by a crash counts for nothing.

        Raises:
            InvalidInput: another line is damaged.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return []
        found = []
        for number, line in enumerate(data.split(b"\n")[:-1], 1):
            if not line.strip():
                continue
            try:
                found.append(Seen.parse(line.decode()))
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError, EmeritusError):
                raise InvalidInput(
                    f"Line {number} of {self.path} is damaged.",
                    next_step="Take that line out; what stands on the others is still held against the record.",
                ) from None
        return found

    def add(self, seen: Seen) -> None:
        """Put *seen* behind the others; it is on the disk before this returns."""
        fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(fd).st_size
            torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
            if torn:  # the line before was never finished: it said nothing yet
                kept = os.pread(fd, min(size, _MOST_STATE), max(0, size - _MOST_STATE)).rpartition(b"\n")
                os.ftruncate(fd, size - len(kept[2]))
            os.write(fd, seen.line().encode())
            os.fsync(fd)
        finally:
            os.close(fd)

    def keep(self, alarm: Alarm) -> Path:
        """Keep the evidence of *alarm*: one file, named by its content; the same is kept once."""
        parts = [f"{alarm.id}: {alarm.place}\n{alarm.sentence}\n", *alarm.notes]
        data = "\n-- signed note --\n".join(parts).encode()
        path = self.evidence / f"{alarm.id}-{sha256(data).hexdigest()[:16]}.txt"
        if not path.exists():
            self.evidence.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}")
            with draft.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        return path

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the file, so that two watchers do not write at the same time."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_name(f"{self.path.name}.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


Trust = Callable[[Source], Sequence[VerifyKey]]


@frozen
class _Looked:
    seen: Seen
    record: PublishedRecord


def watch(sources: Sequence[Source], memory: Memory, trust: Trust, now: datetime) -> Watched:
    """Look at each source once, hold what it shows against all that was seen, and the sources against each other.

    *trust* is asked for the keys of a place that was never seen. Only what is well is remembered.

    Raises:
        InvalidInput: the file of *memory* is damaged.
    """
    alarms: list[Alarm] = []
    away: list[EmeritusError] = []
    looked: list[_Looked] = []
    with memory.alone():
        known = memory.seen()
        for source in sources:
            before = [each for each in known if each.place == source.place]
            try:
                look = _look(source, before, trust, now)
            except _Cried as cry:
                alarms.append(cry.alarm)
            except IntegrityError as why:
                kind = "key" if isinstance(why, WrongKey) else "broken"
                alarms.append(Alarm(kind, source.place, why.sentence))
            except EmeritusError as why:
                away.append(why)
            else:
                looked.append(look)
        alarms += _apart(looked)
        cried = {alarm.place for alarm in alarms}
        for look in looked:
            last = [each for each in known if each.place == look.seen.place][-1:]
            if look.seen.place not in cried and not (last and last[0].note == look.seen.note):
                memory.add(look.seen)
        evidence = tuple(dict.fromkeys(memory.keep(alarm) for alarm in alarms))
    return Watched(tuple(look.seen for look in looked), tuple(alarms), tuple(away), evidence)


class _Cried(Exception):
    def __init__(self, alarm: Alarm) -> None:
        super().__init__(alarm.sentence)
        self.alarm = alarm


def _look(source: Source, before: Sequence[Seen], trust: Trust, now: datetime) -> _Looked:
    last = before[-1] if before else None
    served = source.read("record/checkpoint", 1 << 17).decode(errors="replace")
    if last is not None:
        _not_shrunk(last, served, source.place)
    try:
        record = PublishedRecord(source, last.keys if last else trust(source), served)
    except WrongKey as why:
        notes = (served,) if last is None else (last.note, served)
        raise _Cried(Alarm("key", source.place, why.sentence, notes)) from None
    if last is not None:
        _extended(record, last)  # which was held against the one before it, and so on
    begin = last.checkpoint.size if last else max(0, record.size - 1)
    return _read_on(record, last, begin, now)


def _not_shrunk(last: Seen, served: str, place: str) -> None:
    """Cry when fewer entries are signed for, or as many with another root, before any tile is asked for."""
    claimed, older = Checkpoint.read(Note.parse(served).text), last.checkpoint
    signed = any(_signs(key, served) for key in last.keys)
    if not signed:
        return  # whose key that is comes first
    if claimed.origin == older.origin and claimed.size < older.size:
        sentence = f"{older.size} entries were signed for, and now only {claimed.size} are there."
        raise _Cried(Alarm("shrunk", place, sentence, (last.note, served)))
    if claimed.size == older.size and claimed.root != older.root:
        sentence = f"Two histories of {claimed.size} entries were signed."
        raise _Cried(Alarm("forked", place, sentence, (last.note, served)))


def _signs(key: VerifyKey, note: str) -> bool:
    try:
        Note.parse(note).opened([key])
    except EmeritusError:
        return False
    return True


def _extended(record: PublishedRecord, older: Seen) -> None:
    size = older.checkpoint.size
    if size > record.size or not record.extends(older.checkpoint):
        sentence = (
            f"The {size} entries that were signed for by {older.at:%Y-%m-%d %H:%M} UTC are not the first of the "
            f"{record.size} that are signed for now."
        )
        raise _Cried(Alarm("rewritten", record.source.place, sentence, (older.note, record.note)))


def _read_on(record: PublishedRecord, last: Seen | None, begin: int, now: datetime) -> _Looked:
    """Read the entries that are new: their leaves, their times, and every rotation among them."""
    place = record.source.place
    keys = last.keys if last else (record.key, *record.trusted)
    chain = KeyChain(dict.fromkeys(keys))
    newest = last.last_at if last else None
    for seq, data in enumerate(record.rows(begin), begin):
        path = record.path(seq)
        if not verify_inclusion(leaf_hash(data), seq, record.size, path, record.checkpoint.root):
            sentence = f"Entry {seq}, as it is served, does not stand in the record that was signed."
            raise _Cried(Alarm("broken", place, sentence, (record.note,)))
        entry = Entry.read(data)
        if newest is not None and entry.at < newest:
            sentence = (
                f"Entry {seq} is of {instant(entry.at)}, before {instant(newest)}, when others were there."
            )
            raise _Cried(Alarm("clock", place, sentence, (*((last.note,) if last else ()), record.note)))
        newest = entry.at
        if last is not None:
            follow(chain, entry)
    if newest is not None and newest > now + AHEAD + CLOCK_TOLERANCE:
        sentence = f"The last entry is of {instant(newest)}, and here it is {instant(now)}."
        raise _Cried(Alarm("clock", place, sentence, (record.note,)))
    if not any(_signs(key, record.note) for key in chain.in_force):
        known = f"{chain.in_force[0].name}+{chain.in_force[0].key_id.hex()}"
        sentence = f"The checkpoint of {record.size} entries is not signed by the key in force, {known}."
        raise _Cried(Alarm("key", place, sentence, (*((last.note,) if last else ()), record.note)))
    in_force = tuple(dict.fromkeys((*chain.in_force, *record.trusted[1:])))
    return _Looked(Seen(place, now, record.note, in_force, newest), record)


def _apart(looked: Sequence[_Looked]) -> Iterator[Alarm]:
    """Hold the sources against each other: the shorter one has to be the beginning of the longest."""
    if len(looked) < 2:
        return
    longest = max(looked, key=lambda look: look.record.size)
    for look in looked:
        if look is longest:
            continue
        notes = (look.seen.note, longest.seen.note)
        if look.record.checkpoint.origin != longest.record.checkpoint.origin:
            sentence = (
                f"It is the record {look.record.checkpoint.origin}, not {longest.record.checkpoint.origin}."
            )
            yield Alarm("forked", look.seen.place, sentence, notes)
            continue
        same = False
        with suppress(EmeritusError):
            same = longest.record.extends(look.record.checkpoint)
        if not same:
            sentence = (
                f"The {look.record.size} entries at {look.seen.place} are not the first of the "
                f"{longest.record.size} at {longest.seen.place}: readers are shown two histories."
            )
            yield Alarm("forked", look.seen.place, sentence, notes)
            yield Alarm("forked", longest.seen.place, sentence, notes)


def fingerprint(checkpoint: Checkpoint) -> str:
    """Write a checkpoint for people: its size, and the beginning of its root."""
    return f"{checkpoint.size} entries, {base64.b64encode(checkpoint.root).decode()[:12]}…"
