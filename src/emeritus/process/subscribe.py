"""Subscribe: an address gets a column once its owner has confirmed, and nothing is left of it once they leave."""

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve

from emeritus.column.subscribers import (
    ASK_AGAIN_AFTER,
    CONFIRM_WITHIN,
    EVERY,
    MOST_ASKS,
    MOST_SOFT,
    Subscriber,
    Subscribers,
)
from emeritus.core.address import mail_address
from emeritus.core.clock import instant
from emeritus.core.errors import EmeritusError, NotFound
from emeritus.core.ids import new_id
from emeritus.process.ports import Letter, Work
from emeritus.registry import get_model, organisation

MOST_ASKED_AN_HOUR = 300


class TooManyAsked(EmeritusError):
    """So many addresses were given within an hour that somebody may be misusing the form."""

    id = "mail.too_many_asked"
    status = 429


def ask(work: Work, address: str, column: str, now: datetime, *, site_url: str) -> None:
    """Ask the owner of *address* whether they want *column* (`EVERY`: all of them).

    What happens is the same for whoever asks, whether or not the address is known here. Nothing is sent to an
    address that confirmed before, nor more than `MOST_ASKS` times, nor within `ASK_AGAIN_AFTER`.

    Raises:
        InvalidInput: it is no address. NotFound: there is no such model.
        TooManyAsked: the house has asked too many within the hour.
    """
    address = mail_address(address)
    if column != EVERY:
        get_model(work.log, column)
    known = work.subscribers.find(address, column)
    if known is not None and (known.state == "active" or not _may_ask(known, now)):
        return
    if work.subscribers.asked_since(now - timedelta(hours=1)) >= MOST_ASKED_AN_HOUR:
        raise TooManyAsked(
            "Too many addresses were given here within the hour, so no letter is sent.",
            next_step="Come back in an hour, or follow the column by its feed.",
            retry_after=3600,
        )
    if known is None or known.state == "suspended":
        asked = Subscriber(known.id if known else new_id("reader", now), address, column, "asked", now)
    else:
        asked = known
    asked = evolve(asked, asked_at=now, asks=asked.asks + 1)
    work.subscribers.put(asked)
    work.post.send(_confirmation(work, asked, site_url))


def _may_ask(known: Subscriber, now: datetime) -> bool:
    waited = known.asked_at is None or now - known.asked_at >= ASK_AGAIN_AFTER
    return waited and (known.asks < MOST_ASKS or known.state == "suspended")


def _confirmation(work: Work, asked: Subscriber, site_url: str) -> Letter:
    name = organisation(work.log).name
    what = (
        f"the column of {get_model(work.log, asked.column).display_name}" if asked.column else "every column"
    )
    link = f"{site_url}/column/confirm/{link_token(work.subscribers, asked.id, 'confirm')}"
    text = (
        f"Somebody, you we hope, asked {name} to send {what} to this address.\n\n"
        f"If you want it, open this page and press the button:\n\n{link}\n\n"
        "If not, do nothing: you hear no more of it, and the address is forgotten after a week.\n"
    )
    key = f"subscriber:{asked.id}:confirm:{asked.since:%Y%m%d%H%M%S}:{asked.asks}"
    return Letter(key, asked.address, f"Do you want {what}?", text, kind="confirm")


def link_token(subscribers: Subscribers, reader: str, use: str) -> str:
    """Return what stands in a link of a reader: their id, and what nobody can guess."""
    return f"{reader}.{subscribers.token(reader, use)}"


def reader_of(subscribers: Subscribers, token: str, use: str) -> Subscriber | None:
    """Return whose link this is; None when they left.

    Raises:
        NotFound: it is no link of ours.
    """
    reader, _, rest = token.partition(".")
    if not hmac.compare_digest(subscribers.token(reader, use).encode(), rest.encode()):
        raise NotFound(
            "This link is not whole.", next_step="Copy all of it from the letter, or ask for another one."
        )
    return subscribers.get(reader)


def confirm(work: Work, token: str, now: datetime) -> Subscriber:
    """Confirm, as the owner of the address.

    Raises:
        NotFound: the link is no link of ours, or too old.
    """
    reader = reader_of(work.subscribers, token, "confirm")
    if reader is None or reader.state == "suspended":
        raise NotFound(
            "This link is too old: the address was forgotten.",
            next_step="Subscribe again, at /column/subscribe.",
        )
    if reader.state == "asked":
        reader = evolve(reader, state="active", confirmed_at=now, since=now, soft=0)
        work.subscribers.put(reader)
    return reader


def leave(work: Work, token: str) -> None:
    """Leave: what was kept about this reader is erased. Leaving twice is leaving.

    Raises:
        NotFound: it is no link of ours.
    """
    reader = reader_of(work.subscribers, token, "leave")
    if reader is not None:
        _forget(work, reader.id)


def _forget(work: Work, reader: str) -> None:
    work.post.drop(key_prefix=f"subscriber:{reader}:")
    work.subscribers.forget(reader)


def kept_about(subscriber: Subscriber) -> Mapping[str, Any]:
    """Return all that is kept about a subscriber, for them to read."""
    moments = {
        "since": subscriber.since,
        "confirmed_at": subscriber.confirmed_at,
        "asked_at": subscriber.asked_at,
    }
    return {
        "id": subscriber.id,
        "address": subscriber.address,
        "column": subscriber.column or "every column",
        "state": subscriber.state,
        **{name: instant(at) if at else None for name, at in moments.items()},
        "times_asked_to_confirm": subscriber.asks,
        "letters_that_came_back_for_a_passing_reason": subscriber.soft,
    }


def erase(work: Work, address: str) -> int:
    """Erase everything about an address; return how many subscriptions that were. Raises InvalidInput."""
    found = work.subscribers.of(mail_address(address))
    for each in found:
        _forget(work, each.id)
    return len(found)


def came_back(work: Work, key: str, *, hard: bool) -> None:
    """Send no more to a reader whose letter, by its *key*, came back for good, or the last of several times."""
    parts = key.split(":")
    reader = work.subscribers.get(parts[1]) if parts[0] == "subscriber" and len(parts) > 2 else None
    if reader is None:
        return
    soft = reader.soft + (not hard)
    state = "suspended" if hard or soft >= MOST_SOFT else reader.state
    work.subscribers.put(evolve(reader, soft=soft, state=state))
    if state == "suspended":
        work.post.drop(key_prefix=f"subscriber:{reader.id}:")


def forget_stale(work: Work, now: datetime) -> int:
    """Forget addresses whose owners did not confirm in time; return how many."""
    stale = work.subscribers.stale(now - CONFIRM_WITHIN)
    for reader in stale:
        _forget(work, reader)
    return len(stale)
