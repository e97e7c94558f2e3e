"""Billing events that come at the same moment, on both databases: as if they came one after the other."""

import json
import threading

import pytest

from emeritus.access import members
from emeritus.access.billing import read_event
from emeritus.process.joining import bill
from emeritus.registry import Organisation
from emeritus.settings import load_settings
from emeritus.wiring import found_house, open_house


@pytest.fixture(params=["sqlite", "postgres"])
def house(request, tmp_path):
    more = {} if request.param == "sqlite" else {"database_url": request.getfixturevalue("postgres_database")}
    settings = load_settings(tmp_path / "house", **more)
    found_house(settings, Organisation("Test Lab", 60, demo=False))
    with open_house(settings) as house:
        yield house


def event(number, kind="updated", price="small"):
    told = {
        "id": "sub_1",
        "customer": "cus_1",
        "status": "active",
        "items": {"data": [{"price": {"id": price}}]},
    }
    whole = {
        "id": f"evt_{number}",
        "type": f"customer.subscription.{kind}",
        "created": 1_700_000_000 + number,
    }
    return read_event(json.dumps({**whole, "data": {"object": told}}).encode(), {})


def at_once(house, events):
    """Take all events at the same moment, each in a unit of work of its own."""
    ready = threading.Barrier(len(events))
    failed = []

    def take(told):
        ready.wait()
        try:
            with house.works.write() as work:
                bill(work, house.clock, "https://lab.example", told)
        except Exception as why:  # noqa: BLE001 - whatever it is, the test is told
            failed.append(why)

    threads = [threading.Thread(target=take, args=(told,)) for told in events]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_the_same_event_many_times_at_once_is_one_membership(house):
    """None of them fails, and one of them is what happened."""
    at_once(house, [event(1)] * 6)
    with house.works.read() as work:
        assert len(members.all_members(work.log, work.private)) == 1
        assert len(work.log.entries(kinds=members.KINDS)) == 1


def test_the_newest_of_many_at_once_stands(house):
    """Whatever order the database gave them."""
    at_once(house, [event(number, price=f"plan-{number}") for number in range(6)])
    with house.works.read() as work:
        [member] = members.all_members(work.log, work.private)
    assert (member.plan, member.active) == ("plan-5", True)
    at_once(house, [event(7), event(8, "deleted"), event(9, "updated", "late")])
    with house.works.read() as work:
        assert not members.get_member(work.log, work.private, member.id).active
