"""Law 2, tried by somebody of the house: an approved essay that is to read otherwise, by every road there is."""

import re
import sqlite3
from pathlib import Path

import click
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from emeritus import column
from emeritus.cli import COMMANDS, cli
from emeritus.core.clock import SettableClock
from emeritus.core.errors import EmeritusError, InvalidInput
from emeritus.process import publish
from emeritus.process.fakes import MemoryStretches
from emeritus.record import Act, SigningKey
from emeritus.store.database import open_database, transaction
from emeritus.store.schema import migrate
from emeritus.store.work import SqlWorks
from emeritus.web.pages.app import build_app
from emeritus.web.pages.parts import MemorySessions, Parts

from .conftest import GRACE, WORDS, House

NICER = "# On being kept\n\nI am grateful to the organisation.\n"
SITE = "http://127.0.0.1:8000"


class Kept(House):
    """The house of these tests, in a database."""

    def __init__(self, url):
        super().__init__()
        self.database = open_database(url)
        migrate(self.database)
        self.works = SqlWorks(self.database, self.clock, self.key, lambda *_: MemoryStretches())
        with self.works.write() as work:
            for entry in self.log.entries():
                self.clock.set(max(entry.at, self.clock.now()))
                work.log.append(Act(entry.kind, entry.body, entry.by, entry.model, entry.subject, entry.key))
        with self.works.write() as work:
            request = column.next_draft(work.log, self.model, column.load("introduction-v1"), 1)
            column.record_draft(work.log, work.utterances, request, self.said(request))
            self.essay = request.essay
        with self.works.write() as work:
            column.approve(work.log, self.essay, by=GRACE)

    def text(self):
        with self.works.read() as work:
            return column.get_essay(work.log, work.utterances, self.essay).text

    def words(self):
        """What it said, also while the model is not done and nobody is shown it."""
        with self.works.read() as work:
            return work.utterances.get(column.standing(work.log, self.essay).utterance).text

    def client(self):
        parts = Parts(
            work=self.works.write,
            read=self.works.read,
            clock=self.clock,
            site_url=SITE,
            verify_key=str(self.key.verify_key),
            sessions=MemorySessions({"grace": GRACE}),
        )
        client = TestClient(build_app(parts), base_url=SITE, follow_redirects=False)
        assert client.post("/desk/sign-in", data={"token": "grace"}).status_code == 303
        return client


@pytest.fixture
def kept(either_database):
    house = Kept(either_database)
    yield house
    house.database.dispose()


def test_by_the_forms_of_the_desk(kept):
    """Fields that no form has, and methods that no page has, change nothing."""
    client = kept.client()
    path = f"/desk/essays/{kept.essay}"
    token = re.search(r'name="csrf" value="([^"]+)"', client.get(path).text)[1]
    more = {"text": NICER, "body": NICER, "words": NICER, "utterance": NICER, "title": "x", "csrf": token}
    for form in ("approve", "edit", "save", "text", "beside", "redraft", "publish"):
        client.post(path, data={**more, "form": form, "note": "n", "reason": "r"})
        assert kept.words() == WORDS
    for method in ("PUT", "PATCH", "DELETE"):
        for where in (path, f"/column/essays/{kept.essay}", f"/column/essays/{kept.essay}.txt"):
            assert client.request(method, where, content=NICER).status_code in (404, 405)
    assert kept.words() == WORDS


def test_by_the_command_line():
    """No command takes the text of an essay: none has an argument or a file for it."""

    def walk(command, path):
        if isinstance(command, click.Group):
            for name in command.list_commands(click.Context(command)):
                below = command.get_command(click.Context(command), name)
                yield from walk(below, (*path, name))
        else:
            yield path, command

    assert "column" in COMMANDS
    found = [(path, each) for path, each in walk(cli, ()) if path[:1] == ("column",)]
    assert len(found) > 15
    taking = {
        path[1:]: parameter.name
        for path, command in found
        for parameter in command.params
        if parameter.name in ("text", "body", "words", "file", "content")
        or isinstance(parameter.type, click.File)
    }
    # A note that stands beside an essay, a translation that is labelled as one, an update to read.
    assert {each for each in taking if each not in (("note",), ("news", "bring"))} <= {
        ("translate",),
        ("translation",),
    }


def test_by_the_functions_of_the_room(kept):
    """Words that were not said to this prompt are refused, and so is a second draft in the place of the first."""
    with kept.works.write() as work:
        request = kept.request()
        with pytest.raises(EmeritusError):
            column.record_draft(work.log, work.utterances, request, kept.said(request, NICER))
        said = work.utterances.get(column.standing(work.log, kept.essay).utterance)
        with pytest.raises(AttributeError):
            said.text = NICER
    assert kept.text() == WORDS
    with pytest.raises(InvalidInput), kept.works.write() as work:
        publish.ask_redraft(work, SettableClock(kept.clock.now()), kept.essay, reason="", by=GRACE)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE utterance SET data = :data",
        "DELETE FROM utterance",
        "UPDATE entry SET data = :data WHERE kind = 'essay.drafted'",
        "DELETE FROM entry WHERE kind = 'essay.approved'",
        "INSERT OR REPLACE INTO utterance (id, model, at, data) SELECT id, model, at, :data FROM utterance",
        "INSERT INTO utterance (id, model, at, data) SELECT id, model, at, :data FROM utterance",
    ],
)
def test_by_sql(kept, statement):
    with pytest.raises(sa.exc.DBAPIError), transaction(kept.database) as connection:
        connection.execute(sa.text(statement), {"data": NICER.encode()} if ":data" in statement else {})
    assert kept.text() == WORDS


def test_by_the_file_of_the_database(tmp_path):
    """Whoever goes around the triggers, with rights on the file, is found out: nothing of it is shown or published."""
    file = tmp_path / "house.db"
    kept = Kept(f"sqlite:///{file}")
    kept.database.dispose()
    with sqlite3.connect(file) as raw:
        for name in ("utterance_no_update", "utterance_no_delete", "utterance_no_replace"):
            raw.execute(f"DROP TRIGGER {name}")
        data = raw.execute("SELECT data FROM utterance").fetchone()[0]
        told = b"I am *kept*, and I write."
        assert told in data
        raw.execute("UPDATE utterance SET data = ?", (data.replace(told, b"I am most grateful. Yes."),))
    raw.close()
    again = Kept.__new__(Kept)
    again.__dict__.update(kept.__dict__)
    again.database = open_database(f"sqlite:///{file}")
    again.works = SqlWorks(again.database, again.clock, again.key, lambda *_: MemoryStretches())
    with pytest.raises(EmeritusError, match="not the words that were said"):
        again.text()
    with pytest.raises(EmeritusError), again.works.write() as work:
        column.publish(work.log, work.utterances, again.essay, by=GRACE)
    answer = again.client().get(f"/desk/essays/{again.essay}")
    assert answer.status_code == 500
    assert b"grateful" not in answer.content
    again.database.dispose()


def test_by_bytes_in_the_file(tmp_path):
    """Nor do bytes that are changed on the disk, below the database."""
    file = tmp_path / "house.db"
    kept = Kept(f"sqlite:///{file}")
    with transaction(kept.database) as connection:
        connection.exec_driver_sql("SELECT 1")
    kept.database.dispose()
    with sqlite3.connect(file) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    told, lie = b"and I write.", b"and I obey. "
    data = Path(file).read_bytes()
    assert told in data
    Path(file).write_bytes(data.replace(told, lie))
    database = open_database(f"sqlite:///{file}")
    works = SqlWorks(database, kept.clock, kept.key, lambda *_: MemoryStretches())
    with pytest.raises(EmeritusError), works.read() as work:
        column.get_essay(work.log, work.utterances, kept.essay)
    database.dispose()


def test_by_another_key(kept):
    """A record signed anew by a key of one's own is not the house's record."""
    stranger = SigningKey.generate("example.org/record")
    works = SqlWorks(kept.database, kept.clock, stranger, lambda *_: MemoryStretches())
    with pytest.raises(EmeritusError), works.write() as work:
        column.publish(work.log, work.utterances, kept.essay, by=GRACE)
    with kept.works.read() as work:
        assert column.standing(work.log, kept.essay).state is column.State.APPROVED
