"""Deliver: messages to addresses outside (of holders of keys, of a hub), tried again until they are taken or given up."""

from datetime import datetime, timedelta

from emeritus.access.webhooks import headers
from emeritus.core.errors import EmeritusError, InvalidInput, NotPermitted
from emeritus.process.plan import Step
from emeritus.process.ports import Delivery, Parts, Work
from emeritus.process.stages import DELIVER

SUBJECT = "webhooks"
MOST_AT_ONCE = 20
MOST_TRIES = 12
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=12)
GONE = 410


def due(work: Work, now: datetime) -> list[Step]:
    """Return the step that delivers what waits, if anything does."""
    if not work.deliveries.take(now, 1):
        return []
    return [Step(DELIVER, SUBJECT, "due", "deliver notices", when=now)]


def stride(parts: Parts, _subject: str) -> bool:
    """Deliver some of what is due; tell whether there was anything.

    A message that was taken just before this process died is sent again, under the same id.
    """
    with parts.work() as work:
        found = work.deliveries.take(parts.clock.now(), MOST_AT_ONCE)
    for number, each in enumerate(found):
        parts.watch(DELIVER, SUBJECT, number, len(found), "delivering notices")
        said, lasting = _post(parts, each)
        now = parts.clock.now()
        with parts.work() as work:
            if not said:
                work.deliveries.sent(each.id, now)
            elif lasting or each.attempts + 1 >= MOST_TRIES:
                work.deliveries.failed(each.id, said, now)
            else:
                wait: timedelta = min(FIRST_WAIT * 2**each.attempts, LONGEST_WAIT)
                work.deliveries.later(each.id, said, now + wait)
    return bool(found)


def _post(parts: Parts, delivery: Delivery) -> tuple[str, bool]:
    """Send one; return what was wrong, empty when nothing was, and whether trying again cannot help."""
    ours = delivery.kind == "application/json"
    signed = headers(parts.sign, delivery.id, delivery.body, parts.clock.now()) if ours else None
    try:
        answer = parts.fetch.post(delivery.url, delivery.body, content_type=delivery.kind, headers=signed)
    except (NotPermitted, InvalidInput) as why:
        return why.sentence, True
    except EmeritusError as why:
        return why.sentence, False
    if answer.ok:
        return "", False
    return f"It answered {answer.status}.", answer.status == GONE
