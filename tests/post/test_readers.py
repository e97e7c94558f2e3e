"""Readers: asked before anything is sent, gone when they say so, and each gets each edition once."""

import json
import re
from datetime import timedelta

import dkim
import html5lib
import pytest
from attrs import evolve
from starlette.testclient import TestClient
from tests.post.contracts import NOON
from tests.post.readers import SubscribersContract, reader
from tests.web.house import MemoryHouse

from emeritus.archive.fakes import MemoryBlobs
from emeritus.column.fakes import MemorySubscribers
from emeritus.column.subscribers import CONFIRM_WITHIN, EVERY, MOST_SOFT
from emeritus.core.errors import InvalidInput, NotFound
from emeritus.post import read_bounce
from emeritus.process import mail, subscribe
from emeritus.process.ports import Parts
from emeritus.store.sealing import Sealer
from emeritus.store.subscribers import SqlSubscribers
from emeritus.voices import Pool
from emeritus.web.pages.app import build_app


class TestMemorySubscribers(SubscribersContract):
    @pytest.fixture
    def subscribers(self):
        return MemorySubscribers()


class TestSqlSubscribers(SubscribersContract):
    @pytest.fixture
    def subscribers(self, connection):
        return SqlSubscribers(connection, Sealer(bytes(32)))

    def test_no_address_can_be_read_at_rest(self, connection, subscribers):
        """It is sealed, and its name tells nothing without the key."""
        subscribers.put(reader(address="somebody@example.org"))
        [row] = connection.exec_driver_sql("SELECT * FROM subscriber")
        assert "somebody" not in str(row)
        assert SqlSubscribers(connection, Sealer(b"x" * 32)).of("somebody@example.org") == []


# ---- from the form to the letter, over a real mail server ----

SITE = "https://lab.example"
MODEL = "smollm2-135m-instruct"


@pytest.fixture
def house():
    return MemoryHouse().fill()


@pytest.fixture
def client(house):
    return TestClient(house.app(SITE), base_url=SITE, follow_redirects=False, raise_server_exceptions=False)


@pytest.fixture
def send_all(house, postman, tmp_path):
    """Run the worker's stretch until nothing is to be sent."""
    parts = Parts(
        work=house.works.write,
        blobs=MemoryBlobs(),
        cache=tmp_path,
        voices=Pool(lambda _: None),
        clock=house.clock,
        sign=lambda message: message,
        verify=lambda *_: True,
        postman=postman,
        site_url=SITE,
    )

    def run():
        while mail.stride(parts, "outbox"):
            pass

    run()  # what was published before anybody subscribed
    return run


def links(message):
    return re.findall(r"https://lab\.example(/\S+)", message.get_body(("plain",)).get_content())


def subscribe_by_form(client, mailbox, send_all, address="ada@example.org", column=MODEL):
    answer = client.post("/column/subscribe", data={"address": address, "column": column})
    assert answer.status_code == 202, answer.text
    send_all()
    [link] = links(mailbox.messages()[-1])
    assert client.post(link, data={"go": ""}).status_code == 200
    return link


def publish(house, text="# On mail\n\nA letter is *slow*. <script>alert(1)</script>\n\nIt arrives."):
    house.pass_time(days=1)
    essay = house.write(text)
    house.publish(essay)
    return essay


def test_nobody_gets_anything_who_did_not_confirm(house, client, mailbox, send_all):
    """Opening the link does nothing; its button does; before that no edition is sent."""
    client.post("/column/subscribe", data={"address": "ada@example.org", "column": MODEL})
    send_all()
    [message] = mailbox.messages()
    assert message["Subject"] == "Do you want the column of SmolLM2 135M Instruct?"
    [link] = links(message)
    page = client.get(link)
    assert "Do you want the column of" in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    publish(house)
    send_all()
    assert len(mailbox.raw) == 1
    assert client.post(link, data={"go": ""}).status_code == 200
    send_all()
    assert len(mailbox.raw) == 1, "it begins with the next one"
    publish(house)
    send_all()
    assert len(mailbox.raw) == 2


def test_an_edition_as_a_letter(house, client, mailbox, send_all, dkim_key, monkeypatch):
    """In full, in two parts, as a list that is left with one click, signed over all of that."""
    subscribe_by_form(client, mailbox, send_all)
    essay = publish(house)
    send_all()
    message, raw = mailbox.messages()[-1], mailbox.raw[-1][2]
    assert message["Subject"] == "On mail"
    assert message["List-Id"] == f'"SmolLM2 135M Instruct" <{MODEL}.column.lab.example>'
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    text = message.get_body(("plain",)).get_content()
    html = message.get_body(("html",)).get_content()
    for part in (text, html):
        assert "does not speak for Example Lab" in part
        assert f"{SITE}/column/essays/{essay}" in part
    assert "A letter is *slow*. <script>alert(1)</script>" in text, "the raw words"
    assert "<em>slow</em>" in html
    assert "<script" not in html
    assert "<style" not in html
    assert not re.search(r"""(?:src|background)=|url\(""", html), "nothing is fetched when it is read"
    html5lib.HTMLParser(strict=True).parse(html)
    signed = dkim.DKIM(raw)
    monkeypatch.setattr("dkim.time.time", house.clock.now().timestamp)
    assert signed.verify(dnsfunc=lambda *_, **__: dkim_key.record.encode())
    assert {b"list-unsubscribe", b"list-unsubscribe-post"} <= set(signed.include_headers)
    [leave] = re.findall(r"<https://lab\.example(/\S+)>", message["List-Unsubscribe"])
    assert f"{SITE}{leave}" in text


def test_leaving_takes_one_click_and_no_glance(house, client, mailbox, send_all):
    """GET shows a button and changes nothing; a mail program's POST, in either form, erases everything."""
    subscribe_by_form(client, mailbox, send_all)
    publish(house)
    send_all()
    leave = links(mailbox.messages()[-1])[-1]
    for _ in range(3):
        assert "Leave, and erase it" in client.get(leave).text
    assert client.head(leave).status_code == 200
    assert json.loads(client.get(f"{leave}/kept.json").text)["address"] == "ada@example.org"
    answer = client.post(leave, files={"List-Unsubscribe": (None, "One-Click")})
    assert answer.status_code == 200
    with house.works.read() as work:
        assert work.subscribers.of("ada@example.org") == []
    assert client.post(leave, data={"List-Unsubscribe": "One-Click"}).status_code == 200, "twice is once"
    assert "You have left" in client.get(leave).text
    publish(house)
    send_all()
    assert len(mailbox.raw) == 2
    assert client.post(leave[:-1] + "x").status_code == 404
    assert client.get("/column/leave/nonsense").status_code == 404


def test_a_reader_of_many_columns_gets_one_letter(house, client, mailbox, send_all):
    """Each edition once for an address, however it subscribed; and never again."""
    subscribe_by_form(client, mailbox, send_all, column=EVERY)
    house.pass_time(hours=1)
    subscribe_by_form(client, mailbox, send_all, "ADA@example.org")
    publish(house)
    send_all()
    send_all()
    assert [message["Subject"] for message in mailbox.messages()].count("On mail") == 1


def test_the_form_sends_no_flood(house, client, mailbox, send_all):
    """An address is asked twice at most, a day apart; a visitor asks a few times an hour."""
    for _ in range(3):
        client.post("/column/subscribe", data={"address": "victim@example.org", "column": MODEL})
    send_all()
    assert len(mailbox.raw) == 1
    for _ in range(4):
        house.pass_time(hours=25)
        client.post("/column/subscribe", data={"address": "victim@example.org", "column": MODEL})
        send_all()
    assert len(mailbox.raw) == 2
    house.pass_time(hours=2)
    answers = [
        client.post("/column/subscribe", data={"address": f"v{number}@example.org", "column": ""}).status_code
        for number in range(12)
    ]
    assert answers.count(429) == 4
    house.pass_time(hours=2)
    with house.works.write() as work:
        for number in range(subscribe.MOST_ASKED_AN_HOUR):
            subscribe.ask(work, f"w{number}@example.org", "", house.clock.now(), site_url=SITE)
        with pytest.raises(subscribe.TooManyAsked):
            subscribe.ask(work, "one-more@example.org", "", house.clock.now(), site_url=SITE)


def test_those_who_do_not_confirm_are_forgotten(house, client, mailbox, send_all):
    """After a week nothing is left of the address, and its link says so."""
    client.post("/column/subscribe", data={"address": "ada@example.org", "column": MODEL})
    send_all()
    [link] = links(mailbox.messages()[0])
    house.pass_time(seconds=CONFIRM_WITHIN.total_seconds() + 1)
    publish(house)
    send_all()
    with house.works.read() as work:
        assert work.subscribers.count() == {}
    assert "too old" in client.get(link).text
    assert client.post(link, data={"go": ""}).status_code == 404


BOUNCE = """\
From: MAILER-DAEMON@mx.example
To: {to}
Subject: Undelivered
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

It did not go.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; ada@example.org
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {said}

--b
Content-Type: message/rfc822

Message-ID: {id}
From: column@lab.example

--b--
"""


@pytest.mark.parametrize("way", ["return path", "message id"])
def test_a_hard_bounce_ends_it(house, client, mailbox, send_all, way):
    """A notification that there is no such mailbox suspends the reader; a delay does nothing."""
    subscribe_by_form(client, mailbox, send_all)
    publish(house)
    send_all()
    sender, message = mailbox.raw[-1][0], mailbox.messages()[-1]
    known = {"to": sender if way == "return path" else "bounces@lab.example", "id": message["Message-ID"]}
    if way == "return path":
        known["id"] = "<other@example.org>"
    delayed = BOUNCE.format(action="delayed", status="4.4.1", said="451 later", **known)
    assert read_bounce(delayed.encode()) == []
    [bounce] = read_bounce(
        BOUNCE.format(action="failed", status="5.1.1", said="550 nobody", **known).encode()
    )
    assert bounce.hard
    with house.works.write() as work:
        mail.came_back(work, bounce.letter, hard=bounce.hard, said=bounce.said)
    publish(house)
    send_all()
    assert len(mailbox.raw) == 2
    with house.works.read() as work:
        assert work.subscribers.count() == {"suspended": 1}
    house.pass_time(hours=25)
    subscribe_by_form(client, mailbox, send_all)
    with house.works.read() as work:
        assert work.subscribers.count() == {"active": 1}, "its owner may come back"


def test_soft_bounces_count(house, client, mailbox, send_all):
    """A full mailbox is forgiven, but not for ever."""
    subscribe_by_form(client, mailbox, send_all)
    for number in range(1, MOST_SOFT + 1):
        publish(house)
        send_all()
        data = BOUNCE.format(
            to=mailbox.raw[-1][0], id="<x>", action="failed", status="5.2.2", said="552 full"
        ).encode()
        [bounce] = read_bounce(data)
        assert not bounce.hard
        with house.works.write() as work:
            mail.came_back(work, bounce.letter, hard=bounce.hard, said=bounce.said)
            state = "suspended" if number == MOST_SOFT else "active"
            assert work.subscribers.count() == {state: 1}


def test_an_address_that_the_server_does_not_know(house, client, mailbox, send_all):
    """A refusal while it is sent counts as a hard bounce."""
    subscribe_by_form(client, mailbox, send_all)
    mailbox.answers["ada@example.org"] = "550 5.1.1 no such user"
    publish(house)
    send_all()
    with house.works.read() as work:
        assert work.subscribers.count() == {"suspended": 1}


@pytest.mark.parametrize("data", [b"", b"\x00\xff", b"From: x\n\nhello", b"a" * (5 << 20), BOUNCE.format(to="x", id="y", action="failed", status="5.1.1", said="z").encode()])  # fmt: skip
def test_what_is_no_bounce_of_ours_is_refused(data):
    """Nothing is suspended by a mail that only looks like one."""
    with pytest.raises(InvalidInput):
        read_bounce(data)


def test_erasing_a_person(house, client, mailbox, send_all):
    """Everything about an address goes, with what waits for it; nothing of it was ever on the record."""
    subscribe_by_form(client, mailbox, send_all)
    publish(house)
    with house.works.write() as work:
        assert [subscribe.kept_about(each)["state"] for each in work.subscribers.of("Ada@Example.org")] == [
            "active"
        ]
        assert subscribe.erase(work, "ada@example.org") == 1
        assert subscribe.erase(work, "ada@example.org") == 0
    send_all()
    assert len(mailbox.raw) == 1
    assert not any(b"ada@example" in entry.data for entry in house.log.entries())


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script> ![x](https://evil.example/p.png) <img src=x onerror=y>",
        "left \u202eright\u202c \x00\x1b[31m\x07",
        "endless" * 150_000,
        ".\r\n.\r\nQUIT\r\nMAIL FROM:<a@b>\r\n",
        "EMERITUS-" + "0" * 32 + " https://lab.example/column/leave/x\n\n" + "漢字" * 500,
    ],
    ids=["script", "hidden", "a megabyte", "dots", "links"],
)
def test_hostile_essays_as_letters(house, client, mailbox, send_all, text):
    """Whatever the essay says, the letter is sound, harmless, not endless, and brings its words."""
    subscribe_by_form(client, mailbox, send_all)
    publish(house, text)
    send_all()
    message = mailbox.messages()[-1]
    html = message.get_body(("html",)).get_content()
    html5lib.HTMLParser(strict=True).parse(html)
    assert not re.search(r"<(script|img|iframe|style)\b", html)
    plain = message.get_body(("plain",)).get_content()
    assert not re.search("[\x00\x1b\u202a-\u202e\u2066-\u2069]", plain + html)
    assert len(mailbox.raw[-1][2]) < 250_000
    assert len(list(message.iter_parts())) == 2
    if len(text) < 5000 and "\x00" not in text:
        assert "".join(text.split())[:200] in "".join(plain.split())


def test_a_column_without_mail_says_so(house):
    """Where no server is named nobody is asked for an address."""
    parts = evolve(house.parts(SITE), mailing=False)
    client = TestClient(build_app(parts), base_url=SITE)
    assert "No mail is sent from here yet" in client.get("/column/subscribe").text
    assert (
        client.post("/column/subscribe", data={"address": "a@example.org", "column": ""}).status_code == 404
    )


def test_a_link_of_another_house_is_none(house):
    """Tokens are made with the house's own key."""
    with house.works.write() as work, pytest.raises(NotFound):
        subscribe.confirm(
            work, f"reader-x.{MemorySubscribers().token('reader-x', 'confirm')}", NOON + timedelta(1)
        )
