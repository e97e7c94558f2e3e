"""Mail: letters of the outbox go to the mail server, a bounded number at a time, until each is sent or given up."""

import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from attrs import evolve

from emeritus.process import editions, subscribe
from emeritus.process.plan import Step
from emeritus.process.ports import Mark, Parts, Queued, Work
from emeritus.process.stages import MAIL

SUBJECT = "outbox"
MOST_AT_ONCE = 500
MOST_TRIES = 12
FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=12)
_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")


def due(work: Work, now: datetime) -> list[Step]:
    """Return the step that sends what waits, if anything does, and mails what was published."""
    waits = work.post.due(now) or editions.waiting(work) is not None
    return [Step(MAIL, SUBJECT, "due", "send letters", when=now)] if waits else []


def stride(parts: Parts, _subject: str) -> bool:
    """Send some of what is due; tell whether there was anything."""
    postman = parts.postman
    if postman is None:
        return False
    claim, now = secrets.token_hex(12), parts.clock.now()
    most = min(MOST_AT_ONCE, max(1, int(postman.pace))) if postman.pace else MOST_AT_ONCE
    with parts.work() as work:
        subscribe.forget_stale(work, now)
        spread = editions.spread(work, parts.site_url)
        letters = work.post.take(claim, now, most)
    if not letters:
        return spread
    known = {each.id: each for each in letters}

    def mark(marks: Sequence[Mark]) -> set[str]:
        at = parts.clock.now()
        marks = [bounded(each, known[each.id], at) for each in marks]
        with (parts.unsynced or parts.work)() as work:
            took = work.post.mark(claim, marks, at)
            for each in marks:
                if each.state == "failed" and is_hard(each.said):
                    subscribe.came_back(work, known[each.id].letter.key, hard=True)
        return took

    parts.watch(MAIL, SUBJECT, 0, len(letters), "sending letters")
    postman.deliver(letters, mark, parts.clock.now)
    return True


def bounded(mark: Mark, queued: Queued, now: datetime) -> Mark:
    """Give a letter that was put off its next time: the wait doubles, and after `MOST_TRIES` it is given up."""
    if mark.state != "waiting":
        return mark
    tries = queued.attempts + queued.uncertain + 1
    if tries >= MOST_TRIES:
        return evolve(mark, state="failed", said=f"given up after {tries} tries: {mark.said}")
    wait: timedelta = min(FIRST_WAIT * 2 ** (tries - 1), LONGEST_WAIT)
    return evolve(mark, again_at=now + wait)


def came_back(work: Work, letter: str, *, hard: bool, said: str) -> None:
    """Note that a letter was not delivered after all. *hard*: there is no such mailbox."""
    key = work.post.bounced(letter, f"{'no such mailbox' if hard else 'not delivered'}: {said}")
    if key is not None:
        subscribe.came_back(work, key, hard=hard)


def is_hard(said: str) -> bool:
    """Tell whether a server's answer means that the address is none: 5.1.x, or 550 without more.

    A full mailbox or a filter that says no is not that, even when it says so for good.
    """
    status = _STATUS.search(said)
    if status is not None:
        return status[1] == "5" and (status[2] == "1" or status.group(2, 3) == ("0", "0"))
    return said.lstrip().startswith(("550", "551", "553"))
