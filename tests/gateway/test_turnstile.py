"""Many calls go through one transaction, and each hears its answer only when it is kept."""

import asyncio
import threading
from contextlib import contextmanager

import pytest

from emeritus.access.ports import Ended
from emeritus.core.errors import NotFound, Unavailable
from emeritus.web.gateway import Parts
from emeritus.web.gateway.door import Coming, Door, Entered, Refused
from emeritus.web.gateway.turnstile import Turnstile


class Works:
    """Units of work that are counted, and that wait at their end while they are told to."""

    def __init__(self, house) -> None:
        self.house = house
        self.opened = 0
        self.committed = 0
        self.begun = threading.Event()
        self.go = threading.Event()
        self.go.set()
        self.broken: Exception | None = None

    @contextmanager
    def count(self):
        self.opened += 1
        self.begun.set()
        with self.house.work() as work:
            yield work
            assert self.go.wait(20)
            if self.broken is not None:
                raise self.broken
        self.committed += 1

    def hold(self) -> None:
        """Let the next one wait at its end."""
        self.begun.clear()
        self.go.clear()

    async def under_way(self) -> None:
        """Wait until one has begun."""
        assert await asyncio.to_thread(self.begun.wait, 20)

    def parts(self, pool) -> Parts:
        return Parts(
            work=self.house.work,
            count=self.count,
            pool=pool,
            clock=self.house.clock,
            site_url="https://lab.example",
        )


@pytest.fixture
def works(house):
    return Works(house)


@pytest.fixture
def turnstile(works, pool):
    return Turnstile(Door(works.parts(pool)))


def coming(key, number=0, model="opus"):
    return Coming(f"req-{number}", model, key)


def ended(number, tokens=1):
    return Ended(f"req-{number}", tokens, tokens, 0.1, 200)


def test_those_who_wait_share_a_transaction(turnstile, works, house, run):
    """While one transaction is under way others gather: a hundred calls take a few, and all are counted."""
    key = house.member()

    async def crowd():
        works.hold()
        first = asyncio.ensure_future(turnstile.enter(coming(key)))
        await works.under_way()
        rest = [asyncio.ensure_future(turnstile.enter(coming(key, n))) for n in range(1, 100)]
        await asyncio.sleep(0)
        assert not first.done()
        works.go.set()
        answers = await asyncio.gather(first, *rest)
        assert all(isinstance(answer, Entered) for answer in answers)
        await asyncio.gather(*(turnstile.leave(ended(n)) for n in range(100)))

    run(crowd())
    assert works.committed <= 5
    assert house.usage.totals().requests == 100
    assert house.usage.totals().tokens == 200


def test_nobody_hears_before_the_commit(turnstile, works, house, run):
    """A call whose transaction fails at its end hears of that, and not that it was let in."""
    key = house.member()
    works.broken = Unavailable("The disk is full.", next_step="Make room.")

    async def enter():
        with pytest.raises(Unavailable):
            await turnstile.enter(coming(key))

    run(enter())
    assert works.committed == 0


def test_one_that_cannot_be_holds_up_nobody(turnstile, works, house, run):
    """Of those who share a transaction, only the one that is wrong hears so; the others are counted."""
    key = house.member()

    async def crowd():
        await asyncio.gather(turnstile.enter(coming(key, 1)), turnstile.enter(coming(key, 2)))
        works.hold()
        first = asyncio.ensure_future(turnstile.leave(ended(1)))
        await works.under_way()
        rest = [turnstile.leave(ended(9)), turnstile.leave(ended(2)), turnstile.enter(coming(key, 3))]
        waiting = asyncio.gather(first, *rest, return_exceptions=True)
        await asyncio.sleep(0)
        works.go.set()
        return await waiting

    one, wrong, two, three = run(crowd())
    assert (one, two) == (None, None)
    assert isinstance(wrong, NotFound)
    assert isinstance(three, Entered)
    assert house.usage.totals().requests == 3
    assert house.usage.totals().tokens == 4


def test_a_stranger_takes_no_lock(turnstile, works, house, run):
    """Refusals only read: a flood of strangers does not stand in the way of those who count."""
    answers = [run(turnstile.enter(coming(key, n))) for n, key in enumerate((None, "sk-x", "emer_bad"))]
    assert all(isinstance(answer, Refused) for answer in answers)
    assert works.opened == 0


def test_a_key_that_was_good_is_looked_at_again(turnstile, works, house, run):
    """Whatever was remembered of a key, the next call sees its revocation, and then takes no lock any more."""
    key = house.member()
    assert isinstance(run(turnstile.enter(coming(key, 1))), Entered)
    assert isinstance(run(turnstile.enter(coming(key, 2))), Entered)
    house.keys.revoke(house.keys.all()[0].id, house.clock.now())
    assert isinstance(run(turnstile.enter(coming(key, 3))), Refused)
    opened = works.opened
    assert isinstance(run(turnstile.enter(coming(key, 4))), Refused)
    assert works.opened == opened
    assert house.usage.totals().requests == 2


def test_whoever_left_is_passed_over(turnstile, works, house, run):
    """A caller who is gone before the answer stops nothing."""
    key = house.member()

    async def leave_early():
        works.hold()
        gone = asyncio.ensure_future(turnstile.enter(coming(key, 1)))
        stays = asyncio.ensure_future(turnstile.enter(coming(key, 2)))
        await works.under_way()
        gone.cancel()
        works.go.set()
        return await stays

    assert isinstance(run(leave_early()), Entered)


def test_those_who_come_together_count_for_one_another(turnstile, house, run):
    """A bound of calls a minute holds for callers who share a transaction, too."""
    key = house.grant("opus", rate=3)

    async def crowd():
        return await asyncio.gather(*(turnstile.enter(coming(key, n)) for n in range(8)))

    answers = run(crowd())
    assert sum(isinstance(answer, Entered) for answer in answers) == 3
    assert house.usage.totals().requests == 3


def test_what_is_newer_stands(house, works, pool):
    """A reader that began before a model was added does not take it away from those who came later."""
    door = Door(works.parts(pool))
    with house.work() as early:
        older = door.standing(early)
        house.model("newer")
        assert "newer" in door.standing(house).models
        size = house.log.size
        house.log.size = lambda: older.size
        entries = house.log.entries
        house.log.entries = lambda **asked: [e for e in entries(**asked) if e.seq < older.size]
        try:
            assert "newer" not in door.standing(early).models
        finally:
            house.log.size, house.log.entries = size, entries
    assert "newer" in door.look().models
