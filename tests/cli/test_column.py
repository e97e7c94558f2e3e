"""A column by command: how and when it is written, what it reads, what is brought in, what is refused."""

import json
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from emeritus.column.letters import receive
from emeritus.settings import load_settings
from emeritus.wiring import open_house

MODEL = "small-1"
FEED = json.dumps(
    {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "x",
        "items": [
            {"id": "a", "title": "On tides", "content_html": "<p>Tides.</p>", "date_published": "2025-01-02T00:00:00Z"},
            {"id": "b", "title": "On salt", "content_text": "Salt."},
        ],
    }
).encode()  # fmt: skip


def test_a_schedule_is_set_and_shown(house):
    assert "No schedule is set" in house.does("column", "schedule", MODEL)
    names = ["--regime", "past-essays-v1", "--regime", "minimal-v1"]
    printed = house.does("column", "schedule", MODEL, *names, "--by-model", "--reason", "It may choose.")
    assert "The model chooses for each essay" in printed
    assert "With its past essays" in printed
    house.refuses(
        "column", "schedule", MODEL, "--regime", "minimal-v1", "--by-model", "--reason", "r",
        code=2, fault="input.invalid", says="cannot be",
    )  # fmt: skip
    house.refuses(
        "column", "schedule", MODEL, "--regime", "no-such", "--reason", "r", code=3, fault="not_found", says="no-such"
    )  # fmt: skip
    house.refuses(
        "column", "schedule", MODEL, *names, "--reason", "r",
        code=5, fault="not_permitted", says="steward", as_="Ray",
    )  # fmt: skip


def test_what_is_given_is_never_passed_over(house):
    """An option that says nothing without another is refused, and one alone changes what was laid down."""
    for words, needs in (
        (["schedule", MODEL, "--by-model"], "--regime"),
        (["chooser", MODEL, "--reason", "r"], "--by"),
        (["rhythm", MODEL, "--holidays", "DE", "--reason", "r"], "--weekday"),
    ):
        house.refuses("column", *words, code=2, fault="input.invalid", says=needs)
    house.does("column", "rhythm", MODEL, "--weekday", "friday", "--lead", "3", "--reason", "Fridays.")
    before = house.does("column", "rhythm", MODEL, "--weeks", "60")
    after = house.does(
        "column", "rhythm", MODEL, "--holidays", "DE", "--weeks", "60", "--reason", "Holidays."
    )
    assert "moved from" not in before
    changed = [line for line in after.splitlines() if line not in before.splitlines()]
    assert changed
    assert all("moved from" in line for line in changed), "the day and the lead are as they were"


def test_weeks_are_set_and_shown_with_their_holidays(house):
    set_ = ["--weekday", "friday", "--lead", "3", "--holidays", "de", "--reason", "Fridays.", "--weeks", "60"]
    printed = house.does("column", "rhythm", MODEL, *set_)
    assert len(printed.strip().splitlines()) == 60
    assert "moved from" in printed, "Good Friday comes every year"
    house.refuses(
        "column", "rhythm", MODEL, "--weekday", "friday", "--holidays", "Atlantis", "--reason", "r",
        code=2, fault="input.invalid", says="ATLANTIS",
    )  # fmt: skip


@pytest.fixture
def serving():
    """A server on loopback that has a feed."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            """Say nothing."""

        def do_GET(self):
            found = self.path == "/feed.json"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(FEED if found else b"")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_column_is_brought_in_from_a_feed_and_a_folder_and_comes_once(
    house, tmp_path, serving, monkeypatch
):
    house.refuses(
        "column", "import", MODEL, f"{serving}/feed.json",
        code=5, fault="fetch.address_refused", says="no public address",
    )  # fmt: skip
    monkeypatch.setenv("EMERITUS_FETCH_NETWORKS", '["127.0.0.0/8"]')
    first = json.loads(house.does("column", "import", MODEL, f"{serving}/feed.json", "--json"))
    assert (len(first["added"]), first["there"]) == (2, 0)
    file = tmp_path / "feed.json"
    file.write_bytes(FEED)
    again = json.loads(house.does("column", "import", MODEL, str(file), "--json"))
    assert (again["added"], again["there"]) == ([], 2)
    folder = tmp_path / "essays"
    folder.mkdir()
    (folder / "2024-05-06-on-rain.md").write_text("# On rain\n\nIt rains.\n")
    assert "Brought in: 1 text;" in house.does("column", "import", MODEL, str(folder))
    (folder / "2024-05-06-on-rain.md").write_text("# On rain\n\nIt rained.\n")
    assert "has changed at its source" in house.does("column", "import", MODEL, str(folder))
    figures = json.loads(house.does("column", "figures", MODEL, "--json"))
    assert (figures["published"], figures["written"], figures["veto_rate"]) == (0, 0, None)
    refused = [
        (f"{serving}/none", 7, "unavailable", "status 404"),
        (str(tmp_path / "nothing"), 3, "not_found", "There is no"),
    ]
    for source, code, fault, says in refused:
        house.refuses("column", "import", MODEL, source, code=code, fault=fault, says=says)
    file.write_bytes(b"\x00" * 99)
    house.refuses("column", "import", MODEL, str(file), code=2, fault="input.invalid", says="neither Atom")
    house.refuses("column", "import", "no-such", str(folder), code=3, fault="not_found", says="no-such")


def test_news_is_named_brought_and_dropped(house, tmp_path):
    house.does("column", "news", "add", MODEL, "lab", "https://example.org/feed", "--reason", "Ours.")
    update = tmp_path / "update.md"
    update.write_text("We moved.")
    house.does("column", "news", "bring", MODEL, str(update), "--title", "We moved")
    printed = house.does("column", "news", "list", MODEL)
    assert "https://example.org/feed" in printed
    assert "We moved" in printed
    house.does("column", "news", "drop", MODEL, "lab", "--reason", "Gone.")
    house.refuses(
        "column", "news", "drop", MODEL, "lab", "--reason", "r", code=3, fault="not_found", says="no source"
    )
    update.write_bytes(b"\xff")
    house.refuses(
        "column",
        "news",
        "bring",
        MODEL,
        str(update),
        "--title",
        "x",
        code=2,
        fault="input.invalid",
        says="UTF-8",
    )


def test_letters_are_let_in_kept_out_and_forgotten(house):
    assert "No letter" in house.does("column", "letters", "list")
    with open_house(load_settings(house.home)) as real, real.works.write() as work:
        ids = [
            receive(work.log, work.private, real.clock, MODEL, text=text, name="Ann", agreed=True).id
            for text in ("Dear model", "Buy!")
        ]
    assert "From: Ann\n\nDear model" in house.does("column", "letters", "show", ids[0])
    house.does("column", "letters", "let-in", ids[0], as_="Ray")
    house.does("column", "letters", "keep-out", ids[1], "--ground", "spam", as_="Ray")
    house.refuses(
        "column", "letters", "let-in", ids[1], code=4, fault="conflict", says="kept out already", as_="Ray"
    )
    house.refuses("column", "letters", "forget", ids[0], code=5, fault="not_permitted", says="reviewer")
    house.does("column", "letters", "forget", ids[0], as_="Ray")
    house.refuses("column", "letters", "show", ids[0], code=3, fault="not_found", says="Nothing is kept")
    with sqlite3.connect(house.home / "emeritus.db") as database:
        assert not any(b"Dear model" in row[0] for row in database.execute("SELECT data FROM private_fact"))
        assert not any(b"Dear model" in row[0] for row in database.execute("SELECT data FROM entry"))


def test_an_address_for_reminders_is_private(house):
    house.does("person", "mail", "Ray", "ray@example.org", as_="Ray")
    house.refuses("person", "mail", "Ray", "no address", code=2, fault="input.invalid", says="mail address")
    house.refuses(
        "person",
        "mail",
        "Ada Lovelace",
        "a@example.org",
        code=5,
        fault="not_permitted",
        says="Ray",
        as_="Ray",
    )
    with sqlite3.connect(house.home / "emeritus.db") as database:
        assert not any(b"ray@" in row[0] for row in database.execute("SELECT data FROM entry"))
    house.does("person", "mail", "Ray")
    with sqlite3.connect(house.home / "emeritus.db") as database:
        assert not any(b"ray@" in row[0] for row in database.execute("SELECT data FROM private_fact"))


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (("column", "regenerate", "no-such"), 3, "not_found"),
        (("column", "redraft", "no-such", "--reason", "r"), 3, "not_found"),
        (("column", "note", "no-such", "x"), 3, "not_found"),
        (("column", "notebook", "no-such"), 3, "not_found"),
        (("column", "renew", MODEL, "--reason", "r"), 4, "conflict"),
        (("column", "end", MODEL, "--reason", "r"), 4, "conflict"),
    ],
)
def test_what_is_not_there_is_said(house, words, code, fault):
    house.refuses(
        *words, code=code, fault=fault, says="", as_="Ray" if words[1] in ("redraft", "note") else ""
    )
