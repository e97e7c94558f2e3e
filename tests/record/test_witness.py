"""Witnesses: what we send them, and what we believe of their answers (C2SP tlog-witness, tlog-cosignature)."""

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from emeritus.core.clock import SettableClock
from emeritus.core.errors import InvalidInput, Unavailable
from emeritus.core.people import person
from emeritus.record import Act, Checkpoint, MemoryLog, SigningKey, VerifyKey, merkle, verify_log
from emeritus.record.keys import COSIGNATURE
from emeritus.record.note import Note, Signature
from emeritus.record.witness import Answer, ForkSeen, Witness, ask, cosigned_at, http_post
from emeritus.store.audit import audit
from emeritus.store.database import open_database, transaction
from emeritus.store.log import SqlLog
from emeritus.store.schema import migrate

KEY = SigningKey.from_seed("record.example.org", bytes(range(32)))
ADA = person("Ada Lovelace")
CLOCK = SettableClock(datetime(2026, 1, 5, tzinfo=UTC))
NOW = datetime(2026, 1, 6, tzinfo=UTC)


class HonestWitness:
    """What the specification asks of a witness, for one log."""

    def __init__(self, name: str = "witness.example.org/w1", seed: int = 9) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.key = VerifyKey(name, self._private.public_key().public_bytes_raw(), COSIGNATURE)
        self.seen = Checkpoint(KEY.name, 0, merkle.EMPTY_ROOT)
        self.trusted = [KEY.verify_key]
        self.asked: list[bytes] = []

    @property
    def settings(self) -> Witness:
        return Witness.parse(f"{self.key} https://witness.example.org/api/")

    def __call__(self, url: str, body: bytes) -> Answer:
        assert url == "https://witness.example.org/api/add-checkpoint"
        return self.answer(body)

    def answer(self, body: bytes) -> Answer:
        self.asked.append(body)
        head, _, rest = body.decode().partition("\n\n")
        old, *proof = head.split("\n")
        checkpoint = Checkpoint.open(rest, self.trusted)
        size = int(old.removeprefix("old "))
        hashes = [base64.b64decode(line) for line in proof]
        if size > checkpoint.size:
            return Answer(400, "", b"")
        if size != self.seen.size:
            return Answer(409, "text/x.tlog.size", f"{self.seen.size}\n".encode())
        if size and not merkle.verify_consistency(
            size, checkpoint.size, hashes, self.seen.root, checkpoint.root
        ):
            return Answer(422 if size != checkpoint.size else 409, "text/plain", b"")
        assert size or not hashes
        self.seen = checkpoint
        return Answer(200, "text/plain", f"{self.cosign(checkpoint.text)}\n".encode())

    def cosign(self, text: str) -> Signature:
        seconds = int(NOW.timestamp())
        data = self._private.sign(f"cosignature/v1\ntime {seconds}\n{text}".encode())
        return Signature(self.key.name, self.key.key_id, seconds.to_bytes(8, "big") + data)


class House:
    """Units of work over one log."""

    def __init__(self, key: SigningKey = KEY) -> None:
        self.log = MemoryLog(CLOCK, key)

    @contextmanager
    def work(self) -> Iterator["House"]:
        yield self

    def add(self, count: int) -> None:
        self.log.append_many([Act("test.done", {"number": n}, ADA) for n in range(count)])

    def ask(self, witness: HonestWitness) -> Checkpoint:
        return ask(self.work, self.work, witness.settings, witness)


@pytest.fixture
def house() -> House:
    house = House()
    house.add(3)
    return house


def test_a_checkpoint_is_cosigned_and_stays_a_checkpoint(house: House) -> None:
    """The cosignature is served below ours; our key opens the note as before, and the witness's tells when."""
    witness = HonestWitness()
    assert house.log.cosigned_checkpoint() is None
    assert house.ask(witness).size == 3
    note = house.log.signed_checkpoint()
    assert Checkpoint.open(note, [KEY.verify_key]).size == 3
    assert cosigned_at(Note.parse(note), witness.key) == NOW
    assert note == house.log.cosigned_checkpoint()
    rows = [entry.data for entry in house.log.entries()]
    assert list(verify_log(rows, [note], [KEY.verify_key])) == []


def test_growth_is_proven_to_the_witness(house: House) -> None:
    """Each time from the size that it cosigned last, whatever was appended in between."""
    witness = HonestWitness()
    for more in (1, 1, 0, 250, 3, 700):
        house.ask(witness)
        house.add(more)
    assert house.ask(witness).size == house.log.size() == 958
    assert len(witness.asked) == 7, "our own memory of its last size was right each time"


def test_a_witness_that_knows_more_than_we_remember_is_caught_up_with(house: House) -> None:
    """After a restored backup of the cosignatures, or another process that asked: it says its size once."""
    witness = HonestWitness()
    house.ask(witness)
    house.log._cosigned.clear()
    house.add(2)
    assert house.ask(witness).size == 5
    assert [body.split(b"\n")[0] for body in witness.asked] == [b"old 0", b"old 0", b"old 3"]


def test_a_log_that_was_cut_back_is_refused_loudly(house: House) -> None:
    """A witness remembers what a restored backup has forgotten."""
    witness = HonestWitness()
    house.add(4)
    house.ask(witness)
    house.log.forget_after(5)
    with pytest.raises(ForkSeen, match="signed for 7 entries, and only 5 are here"):
        house.ask(witness)


def test_another_history_of_any_length_is_refused_loudly(house: House) -> None:
    """A split view: the same key signs another log, shorter, as long, or longer; none is cosigned."""
    witness = HonestWitness()
    house.add(4)
    house.ask(witness)
    for count in (5, 7, 12):
        other = House()
        other.log.append(Act("test.done", {"number": "another history"}, ADA))
        other.add(count - 1)
        with pytest.raises(ForkSeen):
            other.ask(witness)
        assert other.log.cosigned_checkpoint() is None
    assert witness.seen.size == 7


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, "", b""),
        Answer(200, "", b"\xff\xfe"),
        Answer(200, "", "— witness.example.org/w1 AAAA\n".encode()),
        Answer(200, "", f"{HonestWitness('witness.example.org/w1', 8).cosign('x')}\n".encode()),
        Answer(200, "", f"{HonestWitness().cosign('another text')}\n".encode()),
        Answer(200, "", b"A" * 70_000),
        Answer(409, "text/x.tlog.size", b"many\n"),
        Answer(409, "text/x.tlog.size", b"9" * 100),
        Answer(404, "", b""),
        Answer(403, "", b""),
        Answer(500, "", b"<html>"),
        Answer(302, "", b""),
    ],
)
def test_an_answer_that_is_no_cosignature_changes_nothing(house: House, answer: Answer) -> None:
    """Nonsense, another key, another text: named, and nothing is kept."""
    with pytest.raises(Unavailable, match=r"witness\.example\.org/w1"):
        ask(house.work, house.work, HonestWitness().settings, lambda _url, _body: answer)
    assert house.log.cosigned_checkpoint() is None


def test_cosignatures_of_others_are_not_sent_on_nor_taken(house: House) -> None:
    """Two witnesses cosign side by side, and each is sent our own signature alone."""
    first, second = HonestWitness(), HonestWitness("other.example/w2", 8)
    house.ask(first)
    house.ask(second)
    assert b"witness.example.org" not in second.asked[0]
    note = Note.parse(house.log.signed_checkpoint())
    assert [each.name for each in note.signatures] == [KEY.name, "other.example/w2", "witness.example.org/w1"]


@pytest.mark.parametrize("text", ["", "https://w.example", f"{KEY.verify_key} https://w.example", "a b c"])
def test_what_names_no_witness_is_refused(text: str) -> None:
    """A log's own key is no witness's: the types of their signatures differ."""
    with pytest.raises(InvalidInput):
        Witness.parse(text)


def test_a_rotated_key_is_cosigned_once_the_witness_knows_it(house: House) -> None:
    """The checkpoint of the hand-over has both signatures, so a witness that knows either takes it."""
    witness = HonestWitness()
    house.ask(witness)
    new = SigningKey.from_seed(KEY.name, bytes([7]) * 32)
    house.log.rotate(new, by=ADA, reason="A yearly rotation.")
    assert house.ask(witness).size == 4
    house.add(1)
    witness.trusted = [new.verify_key]
    assert house.ask(witness).size == 5


def test_over_real_http() -> None:
    """The adapter posts, reads size answers and refusals, and follows no redirect."""
    witness, statuses = HonestWitness(), iter([None, 302])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = next(statuses)
            answer = witness.answer(body) if status is None else Answer(status, "text/plain", b"")
            self.send_response(answer.status)
            if answer.content_type:
                self.send_header("content-type", answer.content_type)
            if status == 302:
                self.send_header("location", "/elsewhere")
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        house = House()
        house.add(2)
        here = Witness(witness.key, f"http://127.0.0.1:{server.server_port}")
        assert ask(house.work, house.work, here, http_post).size == 2
        with pytest.raises(Unavailable, match="answered 302"):
            ask(house.work, house.work, here, http_post)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    with pytest.raises(Unavailable, match="Nobody answers"):
        ask(house.work, house.work, here, http_post)


def test_kept_cosignatures_are_checked_too(tmp_path) -> None:
    """In SQL they are served with their checkpoint; one that was changed is found by who knows the witness."""
    database = open_database(f"sqlite:///{tmp_path / 'house.db'}")
    migrate(database)
    witness = HonestWitness()

    class Work:
        def __init__(self, log: SqlLog) -> None:
            self.log = log

    @contextmanager
    def work() -> Iterator[Work]:
        with transaction(database) as connection:
            log = SqlLog(connection, CLOCK, KEY)
            yield Work(log)
            log.seal()

    with work() as here:
        here.log.append(Act("test.done", {}, ADA))
        assert here.log.cosigned_checkpoint() is None
    for _ in range(2):
        assert ask(work, work, witness.settings, witness).size == 1
    with work() as here:
        note = here.log.cosigned_checkpoint()
        assert note == here.log.signed_checkpoint()
        assert cosigned_at(Note.parse(note), witness.key) == NOW
        assert list(here.log.audit([witness.settings])) == []
        here.log.append(Act("test.done", {}, ADA))
    with work() as here:
        assert here.log.cosigned_checkpoint() == note, "until a newer one is cosigned"
        assert here.log.signed_checkpoint() != note
    with transaction(database) as connection:
        connection.exec_driver_sql("DROP TRIGGER cosignature_no_update")
        connection.exec_driver_sql("UPDATE cosignature SET size = 2")
        assert [each.what for each in audit(connection, [witness.settings])] == [
            "the witness did not sign this"
        ]
        connection.exec_driver_sql("UPDATE cosignature SET size = 3")
        assert "no checkpoint" in next(audit(connection)).what
    database.dispose()
