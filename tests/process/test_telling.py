"""Everybody who depends on a model hears of its retirement, twice, by mail and by webhook; the record names nobody."""

import base64
import json
import socket
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve

from emeritus.access import grants, members, webhooks
from emeritus.access.dependants import dependants
from emeritus.access.ports import ANYONE
from emeritus.access.standing import standing
from emeritus.archive.fakes import MemoryBlobs
from emeritus.core.clock import SettableClock
from emeritus.core.errors import InvalidInput
from emeritus.core.people import SOFTWARE, person
from emeritus.process import applying, deliver, tell
from emeritus.process.announce import announce, move
from emeritus.process.deliver import MOST_TRIES
from emeritus.process.fakes import MemoryFetch, MemoryWorks
from emeritus.process.plan import plan
from emeritus.process.ports import Fetched, Parts
from emeritus.record import SigningKey
from emeritus.registry import Lineage, NewModel, Organisation, Remote, add_model, add_person, found
from emeritus.registry.migration import explain
from emeritus.store.fetch import SafeFetch

SITE = "https://lab.example"
HOOK = "https://hooks.example/in"
ADA = person("Ada Lovelace")
KEY = SigningKey.from_seed("lab.example/record", bytes(32))


class House:
    def __init__(self):
        self.clock = SettableClock(datetime(2026, 1, 5, 12, tzinfo=UTC))
        self.works = MemoryWorks(self.clock, KEY)
        self.fetch = MemoryFetch({HOOK: b"ok"})
        self.parts = Parts(
            work=self.works.write, blobs=MemoryBlobs(), cache=Path("/nowhere"), voices=None, clock=self.clock,
            sign=KEY.sign, verify=lambda *_: True, fetch=self.fetch, site_url=SITE,
        )  # fmt: skip
        with self.works.write() as work:
            found(work.log, Organisation("Test Lab", 60, demo=False), "key")
            add_person(work.log, ADA, ["steward"], SOFTWARE)
            for name in ("opus", "haiku"):
                new = NewModel(
                    name, name.title(), Lineage("x"), "MIT", date(2024, 3, 1), remote=Remote("openai", name)
                )
                add_model(work.log, new, ADA)

    @contextmanager
    def write(self):
        self.clock.advance(timedelta(seconds=1))
        with self.works.write() as work:
            yield work

    def member(self, name="Mo", mail=None):
        with self.write() as work:
            member = members.join(
                work.log, work.private, self.clock, name=name, plan="pro", by=ADA, mail=mail
            )
            key = members.issue_key(work.log, work.keys, self.clock, member.id)
        return member.id, key.record.id

    def grant(self, contact="grete@x.example", model="opus"):
        with self.write() as work:
            made = applying.apply(
                work, self.clock, SITE, models=[model], who="Grete", contact=contact, purpose="I miss it."
            )
            decided = applying.answer(
                work, self.clock, SITE, made.application.id, grant=True, reason="Yes.", by=ADA
            )
            key = grants.issue_key(work.log, work.keys, self.clock, decided.grant)
        return decided.grant, key.record.id

    def use(self, key, model="opus", tokens=10):
        with self.write() as work:
            name = f"req-{self.clock.now().timestamp()}"
            work.usage.begin(name, key, model, self.clock.now())
            work.usage.finish(name, tokens_in=tokens, tokens_out=0, seconds=1, status=200)

    def hook(self, holder, url=HOOK):
        with self.write() as work:
            webhooks.register(work.private, holder, url)

    def announce(self, days=90):
        with self.write() as work:
            on = self.clock.now().date() + timedelta(days=days)
            announce(work, self.clock, "opus", on=on, replacement="haiku", why="Superseded.", by=ADA)

    def tell(self):
        tell.stride(self.parts, "opus")

    def letters(self, kind="retirement"):
        with self.works.write() as work:
            taken = [each.letter for each in work.post.take("test", self.clock.now(), 500)]
        return [letter for letter in taken if letter.kind == kind]

    def told(self):
        with self.works.write() as work:
            return list(work.log.entries(kinds={"dependants.told"}))

    def who(self, model="opus"):
        with self.works.write() as work:
            return dependants(standing(work.log), work.keys, work.usage, model, self.clock.now())


@pytest.fixture
def house():
    return House()


# ---- who depends on it ----


def test_whoever_used_it_or_may_use_it_depends_on_it(house):
    """By use within 90 days and by living grants; the ones who use it most first; anybody's calls are a count."""
    member, key = house.member()
    granted, granted_key = house.grant()
    house.use(key)
    house.use(key)
    house.use(granted_key, tokens=1000)
    house.use(ANYONE)
    idle, _ = house.grant(contact="idle@x.example")
    house.member("Never called")
    found = house.who()
    assert [(each.holder, each.calls, each.granted) for each in found.known] == [
        (member, 2, False),
        (granted, 1, True),
        (idle, 0, True),
    ]
    assert found.without_key == 1
    assert house.who("haiku").known == ()
    house.clock.advance(timedelta(days=91))
    assert {each.holder for each in house.who().known} == {granted, idle}


def test_whoever_cannot_call_it_any_more_does_not(house):
    """A lapsed member and a revoked grant depend on nothing here; a rotated key is still its holder's use."""
    member, key = house.member()
    granted, granted_key = house.grant()
    gone, gone_key = house.member("Gone")
    for each in (key, granted_key, gone_key):
        house.use(each)
    with house.write() as work:
        members.lapse(work.log, gone, ADA)
        grants.revoke_grant(work.log, granted, reason="Sold.", by=ADA)
        work.keys.revoke(key, house.clock.now())
    assert [each.holder for each in house.who().known] == [member]


# ---- telling ----


def test_each_is_told_with_what_they_need(house):
    """The day, why, the replacement, what changes and what comes after: once, by mail and by signed message."""
    _, key = house.member(mail="mo@reader.example")
    granted, _ = house.grant()
    house.use(key)
    house.hook(granted)
    house.announce()
    with house.write() as work:
        explain(work.log, "opus", text="It writes shorter answers.", by=ADA)
    for _ in range(2):
        house.tell()
    letters = {letter.to: letter for letter in house.letters()}
    assert set(letters) == {"mo@reader.example", "grete@x.example"}
    for part in ("Opus", "05 April 2026", "Superseded.", "haiku", "shorter answers", f"{SITE}/models/opus"):
        assert part in letters["mo@reader.example"].text
    while deliver.stride(house.parts, "webhooks"):
        pass
    [(url, body, sent)] = house.fetch.posted
    told = json.loads(body)
    assert (url, told["type"], told["data"]["model"]) == (HOOK, "model.retirement_announced", "opus")
    assert (told["data"]["replacement"], told["data"]["retires_on"]) == ("haiku", "2026-04-05")
    assert told["data"]["changes"] == "It writes shorter answers."
    signed = f"{sent['webhook-id']}.{sent['webhook-timestamp']}.".encode() + body
    version, _, signature = sent["webhook-signature"].partition(",")
    assert version == "v1a"
    assert KEY.verify_key.verifies(base64.b64decode(signature), signed)
    assert not KEY.verify_key.verifies(base64.b64decode(signature), signed + b" ")


def test_the_record_counts_and_names_nobody(house):
    """How many, by which way, and a commitment for each; no holder, no name, no address, in none of its bytes."""
    member, key = house.member("Mo Reader", mail="mo@reader.example")
    silent, silent_key = house.member("Silent")
    granted, _ = house.grant(contact="the forum")
    house.use(key)
    house.use(silent_key)
    house.hook(granted)
    house.announce()
    house.tell()
    [entry] = house.told()
    assert {name: entry.body[name] for name in ("dependants", "by_mail", "by_webhook", "unreached")} == {
        "dependants": 3,
        "by_mail": 1,
        "by_webhook": 1,
        "unreached": 1,
    }
    assert len(set(entry.body["commitments"])) == 3
    for secret in (member, silent, granted, "Mo Reader", "mo@reader", "hooks.example"):
        assert secret.encode() not in entry.data
    step = house_plan(house).step("tell")
    assert (step.status, step.says) == ("done", "2 of 3 who depend on it were told; 1 gave no address")


def house_plan(house):
    with house.works.write() as work:
        return plan(work.log, "opus", house.clock.now())


def test_they_are_told_again_near_the_day(house):
    """Fourteen days before the last day, and not earlier; somebody who came meanwhile is told then."""
    house.grant()
    house.announce()
    house.tell()
    assert house_plan(house).step("tell-again").status == "scheduled"
    house.clock.advance(timedelta(days=75))
    tell.stride_again(house.parts, "opus")
    assert len(house.letters()) == 1
    _, key = house.member(mail="late@x.example")
    house.use(key)
    house.clock.advance(timedelta(days=1))
    assert house_plan(house).step("tell-again").status == "due"
    for _ in range(2):
        tell.stride_again(house.parts, "opus")
    again = [letter for letter in house.letters() if "Once more" in letter.text]
    assert sorted(letter.to for letter in again) == ["grete@x.example", "late@x.example"]
    assert [entry.body["round"] for entry in house.told()] == ["announced", "near"]


def test_another_day_is_another_notice(house):
    """When the day is moved, everybody hears of the new one."""
    house.grant()
    house.announce()
    house.tell()
    with house.write() as work:
        on = house.clock.now().date() + timedelta(days=120)
        move(work, house.clock, "opus", on=on, why="Its users need time.", by=ADA)
    assert house_plan(house).step("tell").status == "due"
    house.tell()
    assert sorted({f"{letter.subject}" for letter in house.letters()}) == [
        "Opus is retired on 05 April 2026",
        "Opus is retired on 05 May 2026",
    ]


def test_with_short_notice_nobody_is_told_twice_in_a_row(house):
    """Who was told within the last fortnight is not told again."""
    house.grant()
    with house.write() as work:
        on = house.clock.now().date() + timedelta(days=10)
        announce(
            work,
            house.clock,
            "opus",
            on=on,
            replacement=None,
            why="A leak.",
            by=ADA,
            short_notice="It is urgent.",
        )
    house.tell()
    assert house_plan(house).step("tell-again").status == "skipped"


def test_nobody_depends_on_it(house):
    """Then that stands on the record, and no letter is written."""
    house.announce()
    house.tell()
    assert house.told()[0].body["dependants"] == 0
    assert house.letters() == []
    assert house_plan(house).step("tell").says == "nobody depends on it"


def test_a_crowd_fits_on_the_record(house, monkeypatch):
    """More than one entry holds go into several; all of them are told, and counted together."""
    monkeypatch.setattr(tell, "MOST_IN_AN_ENTRY", 3)
    for number in range(7):
        house.grant(contact=f"r{number}@x.example")
    house.announce()
    house.tell()
    assert [entry.body["dependants"] for entry in house.told()] == [3, 3, 1]
    assert len(house.letters()) == 7
    assert house_plan(house).step("tell").says == "7 of 7 who depend on it were told"


# ---- delivering ----


def send_one(house):
    with house.write() as work:
        work.deliveries.put("one", HOOK, b"{}")


def tally(house):
    with house.works.write() as work:
        return work.deliveries.tally()


def test_a_receiver_that_is_away_is_tried_again_and_given_up(house):
    """Ever more rarely, under the same id, until it is given up."""
    house.fetch.answers[HOOK] = Fetched(HOOK, 503, "", b"")
    send_one(house)
    waits = []
    for _ in range(MOST_TRIES):
        before = house.clock.now()
        while not (due := deliver_due(house)):
            house.clock.advance(timedelta(minutes=1))
        waits.append((house.clock.now() - before) // timedelta(minutes=1))
        assert due
        deliver.stride(house.parts, "webhooks")
    assert waits[:5] == [0, 1, 2, 4, 8]
    assert waits == sorted(waits)
    assert tally(house) == {"waiting": 0, "sent": 0, "failed": 1}
    assert len({headers["webhook-id"] for _, _, headers in house.fetch.posted}) == 1


def deliver_due(house):
    with house.works.write() as work:
        return deliver.due(work, house.clock.now())


def test_a_receiver_that_comes_back_gets_it(house):
    """What was not taken at first is delivered later, once."""
    del house.fetch.answers[HOOK]
    send_one(house)
    deliver.stride(house.parts, "webhooks")
    assert tally(house)["waiting"] == 1
    house.fetch.answers[HOOK] = b""
    house.clock.advance(timedelta(minutes=1))
    while deliver.stride(house.parts, "webhooks"):
        pass
    assert tally(house) == {"waiting": 0, "sent": 1, "failed": 0}
    assert len(house.fetch.posted) == 1


def test_one_that_is_gone_is_not_asked_again(house):
    """410 says so for good."""
    house.fetch.answers[HOOK] = Fetched(HOOK, 410, "", b"")
    send_one(house)
    deliver.stride(house.parts, "webhooks")
    assert tally(house)["failed"] == 1


def test_nobody_has_us_knock_inside(house):
    """An address that leads to this machine is not asked at all, and not tried again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        port = listener.getsockname()[1]
        house.parts = evolve(house.parts, fetch=SafeFetch())
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"):
            with house.write() as work:
                url = f"http://{host}:{port}/"
                work.deliveries.put(host, url, b"{}")
        deliver.stride(house.parts, "webhooks")
        with pytest.raises(TimeoutError):
            listener.accept()
    assert tally(house) == {"waiting": 0, "sent": 0, "failed": 4}


@pytest.mark.parametrize(
    "url",
    ["", "x", "ftp://x.example", "file:///etc/passwd", "https://", "https://me:pw@x.example", "http://[::1",
     "https://x.example/\nHost: y", "https://x.example/" + "a" * 2000, "https://ü.example", "gopher://x", "https://x.example:0/"],
)  # fmt: skip
def test_what_cannot_take_notices(house, url):
    """Only web addresses, within bounds, and without a password in them."""
    with pytest.raises(InvalidInput), house.write() as work:
        webhooks.register(work.private, "member-1", url)
