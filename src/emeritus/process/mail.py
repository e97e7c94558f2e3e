"""Mail: letters of the outbox go to the mail server, a bounded number at a time, until each is sent or given up."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from attrs import evolve

from emeritus.process.plan import Step
from emeritus.process.ports import Mark, Parts, Queued, Work
from emeritus.process.stages import MAIL

SUBJECT = "outbox"
MOST_AT_ONCE = 500
MOST_TRIES = 12
FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=12)


def due(work: Work, now: datetime) -> list[Step]:
    """Return the step that sends what waits, if anything does."""
    return [Step(MAIL, SUBJECT, "due", "send letters", when=now)] if work.post.due(now) else []


def stride(parts: Parts, _subject: str) -> bool:
    """Send some of what is due; tell whether there was anything."""
    postman = parts.postman
    if postman is None:
        return False
    claim, now = secrets.token_hex(12), parts.clock.now()
    most = min(MOST_AT_ONCE, max(1, int(postman.pace))) if postman.pace else MOST_AT_ONCE
    with parts.work() as work:
        letters = work.post.take(claim, now, most)
    if not letters:
        return False
    known = {each.id: each for each in letters}

    def mark(marks: Sequence[Mark]) -> set[str]:
        at = parts.clock.now()
        with parts.work() as work:
            return work.post.mark(claim, [bounded(each, known[each.id], at) for each in marks], at)

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
    work.post.bounced(letter, f"{'no such mailbox' if hard else 'not delivered'}: {said}")
