"""Watching a server that lies: everything a record must never do is cried out, and what is well is not."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from emeritus.core.clock import SettableClock
from emeritus.core.errors import InvalidInput, Unavailable
from emeritus.core.people import person
from emeritus.process.fakes import MemoryWorks
from emeritus.record import Act, Checkpoint, SigningKey
from emeritus.record.pins import Pins
from emeritus.record.source import HttpSource, MemorySource
from emeritus.record.watch import ALARMS, Memory, Seen, watch
from emeritus.registry import Organisation, add_person, found

from .conftest import copy_of

ADA = person("Ada Lovelace")
START = datetime(2026, 1, 5, tzinfo=UTC)


class House:
    """A small house whose record a test can take to any place."""

    def __init__(self, folder, seed=7, before=0):
        self.clock = SettableClock(START)
        self.key = SigningKey.from_seed("record.example.org", bytes([seed]) * 32)
        self.works = MemoryWorks(self.clock, self.key)
        self.read = self.works.read
        self.folder, self.copies = folder, 0
        with self.works.write() as work:
            self.log = work.log
            found(self.log, Organisation("Example Lab", 60, demo=False), str(self.key.verify_key))
            add_person(self.log, ADA, ["steward"], ADA)
        self.act(before)

    def act(self, count=1, word="note"):
        self.log.append_many(
            [
                Act("note.made", {"word": word, "n": n}, ADA, key=f"{word}:{self.log.size()}:{n}")
                for n in range(count)
            ]
        )
        return self

    def files(self):
        self.copies += 1
        return copy_of(self, self.folder / f"{id(self)}-{self.copies}")


class Watcher:
    def __init__(self, folder, now=START + timedelta(days=30)):
        self.memory = Memory(folder / "watched.jsonl")
        self.pins = Pins(folder / "known-keys")
        self.now = now

    def look(self, *sources):
        return watch(sources, self.memory, lambda source: self.pins.trusted(source)[0], self.now)

    def sees(self, files, place="https://a.example"):
        return self.look(MemorySource(files, place))


@pytest.fixture
def house(tmp_path):
    return House(tmp_path, before=300)


@pytest.fixture
def watcher(tmp_path):
    return Watcher(tmp_path / "state")


def cries(found, *ids):
    assert {alarm.id for alarm in found.alarms} == set(ids), found
    assert set(ids) <= set(ALARMS)
    assert len(found.evidence) >= 1
    return found


def test_a_record_that_grows_is_well(house, watcher):
    """From the first look on, through growth and none: silent, and a line for each checkpoint that is new."""
    for grown in (0, 0, 1, 255, 600, 0):
        found = watcher.sees(house.act(grown).files())
        assert not found.alarms
        assert not found.away
        assert found.seen[0].checkpoint.size == house.log.size()
    assert len(watcher.memory.seen()) == 4
    assert not watcher.memory.evidence.exists()


def test_over_http(house, watcher, liar):
    """The same, from a real server."""
    server = liar(house.files())
    source = HttpSource(server.url)
    assert not watcher.look(source).alarms
    server.files = house.act(5).files()
    assert not watcher.look(source).alarms
    assert [each.checkpoint.size for each in watcher.memory.seen()] == [302, 307]


def test_rewritten_history(house, watcher, liar, tmp_path):
    """Another entry where one was signed for is cried out, again and again, with both signed notes as evidence."""
    server = liar(house.files())
    source = HttpSource(server.url)
    watcher.look(source)
    was = server.files["record/checkpoint"].decode()
    other = House(tmp_path, before=299).act(1, "another").act(5)
    server.files = other.files()
    for _ in range(2):
        found = cries(watcher.look(source), "rewritten")
    [path] = found.evidence
    assert path.parent == watcher.memory.evidence
    kept = path.read_text()
    assert was in kept
    assert server.files["record/checkpoint"].decode() in kept
    assert len(list(watcher.memory.evidence.iterdir())) == 1
    assert len(watcher.memory.seen()) == 1, "what lies is not remembered"
    server.files = house.act(9).files()
    assert not watcher.look(source).alarms, "the true history is well again"


def test_a_fork_of_the_same_size(house, watcher, tmp_path):
    """Two roots that were signed for one size are a fork, whatever tiles are served."""
    watcher.sees(house.files())
    forked = House(tmp_path, before=299).act(1, "another").files()
    cries(watcher.sees(forked), "forked")
    cries(watcher.sees({"record/checkpoint": forked["record/checkpoint"]}), "forked")


def test_a_log_that_shrank(house, watcher):
    """Fewer entries than were signed for are cried out, although each of them is true."""
    short = house.files()
    watcher.sees(house.act(3).files())
    found = cries(watcher.sees(short), "shrunk")
    assert "305" in found.alarms[0].sentence
    assert "302" in found.alarms[0].sentence


def test_the_clock_going_back(house, watcher):
    """An entry that is older than one that was there before it is cried out, although the tree only grew."""
    watcher.sees(house.files())
    house.clock.set(START - timedelta(days=1))
    # No house of ours would sign this: the entry is forged with the house's own key.
    from emeritus.record import Entry

    late = Entry.of(Act("note.made", {}, ADA), house.log.size(), house.clock.now())
    house.log._grow(late.leaf)
    house.log._entries.append(late)
    cries(watcher.sees(house.files()), "clock")


def test_a_clock_that_runs_ahead(house, tmp_path):
    """A record whose last entry lies in the watcher's future is cried out at the first look."""
    early = Watcher(tmp_path / "early", now=START - timedelta(hours=2))
    cries(early.sees(house.files()), "clock")


def test_a_key_that_nobody_handed_over(house, watcher, tmp_path):
    """The same entries, signed by another key, are cried out; so is a checkpoint signed by nobody."""
    files = house.files()
    watcher.sees(files)
    thief = SigningKey.from_seed(house.key.name, bytes([99]) * 32)
    stolen = {
        **files,
        "record/checkpoint": house.log.checkpoint().sign(thief).encode(),
        "record/keys": f"{thief.verify_key}\n".encode(),
    }
    cries(watcher.sees(stolen), "key")
    changed = files["record/checkpoint"].replace(b"\n302\n", b"\n303\n")
    cries(watcher.sees({**files, "record/checkpoint": changed}), "key")


def test_a_rotation_is_followed(house, watcher):
    """A key that the one before it handed over to is well; the old one signs nothing from there on."""
    watcher.sees(house.files())
    old_key = house.key
    second = SigningKey.from_seed(house.key.name, bytes([60]) * 32)
    house.log.rotate(second, by=ADA, reason="Once a year.")
    assert not watcher.sees(house.files()).alarms
    house.act(3)
    assert not watcher.sees(house.files()).alarms
    house.act(1)
    note = house.log.checkpoint().sign(old_key).encode()
    cries(watcher.sees({**house.files(), "record/checkpoint": note}), "key")
    hidden = {**house.files(), "record/rotations": b""}
    assert not watcher.sees(hidden).alarms, "it was followed already"


def test_a_rotation_that_is_hidden_is_missed(house, watcher):
    """Whoever hides a rotation, and goes on with a key that was rotated away, is found by the entries."""
    watcher.sees(house.files())
    second = SigningKey.from_seed(house.key.name, bytes([60]) * 32)
    house.log.rotate(second, by=ADA, reason="Once a year.")
    house.act(2)
    note = house.log.checkpoint().sign(house.key).encode()
    found = watcher.sees({**house.files(), "record/checkpoint": note, "record/rotations": b""})
    cries(found, "key")


def test_entries_that_are_not_those_of_the_tree(house, watcher):
    """A bundle that does not belong to the tiles is cried out."""
    watcher.sees(house.files())
    files = house.act(2).files()
    bundle = next(name for name in files if name.startswith("record/tile/entries/001.p/"))
    changed = files[bundle][:-3] + b"x" + files[bundle][-2:]
    cries(watcher.sees({**files, bundle: changed}), "broken")


def test_a_split_view(house, watcher, tmp_path):
    """Two mirrors that show two histories are held against each other; one that only lags is well."""
    lagging = house.files()
    ahead = house.act(4).files()
    a, b = MemorySource(lagging, "https://a.example"), MemorySource(ahead, "https://b.example")
    assert not watcher.look(a, b).alarms
    forked = House(tmp_path, before=302).act(2, "another").files()
    fresh = Watcher(tmp_path / "fresh")
    found = cries(fresh.look(MemorySource(forked, "https://a.example"), b), "forked")
    assert {alarm.place for alarm in found.alarms} == {"https://a.example", "https://b.example"}
    assert not fresh.memory.seen()


def test_mirrors_of_two_records(house, watcher, tmp_path):
    """Addresses of different records are no mirrors of each other."""
    other = House(tmp_path, before=1)
    other.log._keys = [(-1, SigningKey.from_seed("other.example.org", bytes([3]) * 32))]
    files = {**other.files(), "record/keys": f"{other.log._keys[0][1].verify_key}\n".encode()}
    cries(
        watcher.look(
            MemorySource(house.files(), "https://a.example"), MemorySource(files, "https://b.example")
        ),
        "forked",
    )


def test_nobody_answers(house, watcher, liar):
    """A server that is away is told, and is no alarm; the other one is looked at all the same."""
    with pytest.raises(Unavailable):
        raise watcher.look(HttpSource("http://127.0.0.1:9", timeout=1)).away[0]
    found = watcher.look(
        HttpSource("http://127.0.0.1:9", timeout=1), MemorySource(house.files(), "https://a.example")
    )
    assert len(found.away) == 1
    assert len(found.seen) == 1
    assert not found.alarms


def test_a_line_that_was_cut_off(house, watcher):
    """kill -9 while a line is written: it counts for nothing, and the next look writes it anew."""
    watcher.sees(house.files())
    path = watcher.memory.path
    whole = path.read_bytes()
    line = whole.splitlines(keepends=True)[0]
    for cut in (1, 10, len(line) - 1):
        path.write_bytes(whole + line[:cut])
        assert len(watcher.memory.seen()) == whole.count(b"\n")
        watcher.sees(house.act(1).files())
        assert [each.checkpoint.size for each in watcher.memory.seen()][-1] == house.log.size()
        whole = path.read_bytes()
        assert whole.endswith(b"\n")


def test_a_damaged_line_is_told(house, watcher):
    """A line in the middle that cannot be read is never passed over."""
    watcher.sees(house.files())
    path = watcher.memory.path
    path.write_bytes(b"{}\n" + path.read_bytes())
    with pytest.raises(InvalidInput, match="Line 1"):
        watcher.sees(house.files())


def test_two_watchers_at_once(house, watcher):
    """Two of them share a file: every line is whole, and nothing is written twice."""
    files = house.files()
    threads = [threading.Thread(target=watcher.sees, args=(files,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(watcher.memory.seen()) == 1
    assert len(watcher.memory.path.read_bytes().splitlines()) == 1


def test_what_is_remembered_can_be_read_by_others(house, watcher):
    """Each line is JSON, with the signed note as it was served."""
    files = house.files()
    watcher.sees(files)
    [line] = watcher.memory.path.read_text().splitlines()
    told = json.loads(line)
    assert told["note"].encode() == files["record/checkpoint"]
    assert Checkpoint.open(told["note"], [house.key.verify_key]).size == 302
    assert Seen.parse(line).line() == line + "\n"
