"""Billing: a signed webhook, as Stripe sends it, says who pays. Subscriptions become memberships.

Events come more than once, late, and out of order. What a customer has is therefore computed from the newest
event of each of their subscriptions, whatever came first here: any order of the same events ends the same.
"""

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from attrs import field, frozen

from emeritus.access import sources
from emeritus.access.sources import Known, Settled
from emeritus.core.address import mail_address
from emeritus.core.clock import Clock
from emeritus.core.digests import sha256
from emeritus.core.errors import InvalidInput, NotFound, NotPermitted
from emeritus.core.people import Actor, clean_name
from emeritus.record import Log
from emeritus.record.private import Private

TOLERANCE: Final = timedelta(minutes=5)
"""An event that was signed longer ago than this is a replay, and refused."""
PAYING: Final = frozenset({"active", "trialing", "past_due"})
"""What a subscription is while its customer is a member: a payment that is late is asked for again first."""
BILLING: Final = Actor("software", "billing")
MOST_SIGNATURES: Final = 16
LATEST: Final = 2**52
MOST_SUBSCRIPTIONS: Final = 100


class BadSignature(NotPermitted):
    """The event was not signed with this house's secret, or too long ago; nothing was done."""

    id = "billing.bad_signature"
    status = 400


@frozen
class Subscription:
    """A subscription as an event tells of it. *plan* is None when it makes nobody a member (any more)."""

    id: str
    customer: str
    plan: str | None
    name: str
    mail: str | None


@frozen
class Event:
    """An event. *order* is later for what happened later, whichever came first; *subscription* None for others."""

    id: str
    order: tuple[int, int, str]
    subscription: Subscription | None


def verify(secrets: Sequence[str], header: str, body: bytes, now: datetime) -> None:
    """Check the signature ``t=SECONDS,v1=HEX[,v1=HEX]`` of an event: HMAC-SHA256 of ``SECONDS.BODY``.

    Several secrets are good at the same time while one is rotated. All comparisons are made, whichever
    agrees, and each takes the same time wherever the two differ.

    Raises:
        BadSignature: none agrees, or it was signed more than five minutes ago or ahead.
    """
    told, given = _parts(header)
    try:
        at = int(told) if told.isascii() and told.isdigit() and len(told) <= 12 else None
    except ValueError:
        at = None
    signed = b"%b.%b" % (told.encode("ascii", "replace"), body)
    agree = [
        hmac.compare_digest(hmac.digest(secret.encode(), signed, "sha256").hex(), each)
        for secret in secrets
        if secret
        for each in given
    ]
    if at is None or not any(agree):
        raise BadSignature(
            "This event was not signed with the secret of this house.",
            next_step="Copy the endpoint's signing secret again, from where the events are sent.",
        )
    if abs(now.timestamp() - at) > TOLERANCE.total_seconds():
        raise BadSignature(
            "This event was signed more than five minutes ago, or ahead.",
            next_step="Check both clocks; then have it sent anew, which signs it anew.",
        )


def _parts(header: str) -> tuple[str, list[str]]:
    pairs = [part.strip().partition("=") for part in header[:4096].split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    given = [value for name, _, value in pairs if name == "v1" and value.isascii()]
    return times[0] if len(times) == 1 else "", given[:MOST_SIGNATURES]


class _Price(msgspec.Struct):
    id: str = ""
    lookup_key: str | None = None
    nickname: str | None = None
    product: Any = None


class _Item(msgspec.Struct):
    price: _Price | None = None


class _Items(msgspec.Struct):
    data: list[_Item] = []


class _Subscription(msgspec.Struct):
    id: str
    customer: Any
    status: str
    items: _Items = msgspec.field(default_factory=_Items)
    metadata: dict[str, str] = {}


class _Object(msgspec.Struct):
    object: msgspec.Raw


class _Event(msgspec.Struct):
    id: str
    type: str
    created: int
    data: _Object


def read_event(body: bytes, plans: Mapping[str, str]) -> Event:
    """Read an event whose signature was checked.

    Args:
        body: the bytes as they came.
        plans: which plan each price, by its id, lookup key or product, stands for; when it is empty, every
            price is a plan by the name that it has there.

    Raises:
        InvalidInput: it is no event.
    """
    try:
        event = msgspec.json.decode(body, type=_Event)
        if not event.type.startswith("customer.subscription."):
            return Event(event.id, (event.created, 0, event.id), None)
        told = msgspec.json.decode(event.data.object, type=_Subscription)
    except (msgspec.MsgspecError, ValueError, RecursionError) as why:
        said = "".join(char if char.isprintable() else " " for char in str(why))[:160]
        raise InvalidInput(
            f"This is no event: {said}.", next_step="Send customer.subscription.* events here."
        ) from None
    customer = _id_of(told.customer)
    named = all(0 < len(name) <= 255 for name in (customer, told.id, event.id))
    if not named or not 0 <= event.created < LATEST:
        raise InvalidInput(
            "This event names no customer, no subscription or no time.",
            next_step="Send customer.subscription.* events here.",
        )
    ended = event.type == "customer.subscription.deleted"
    rank = 2 if ended else 0 if event.type == "customer.subscription.created" else 1
    plan = _plan(told, plans) if told.status in PAYING and not ended else None
    name, mail = _contact(told.metadata, customer)
    subscription = Subscription(told.id, customer, plan, name, mail)
    # What was ended never lives again, whenever an older word of it comes.
    return Event(event.id, (LATEST if ended else event.created, rank, event.id), subscription)


def _id_of(value: Any) -> str:
    found = value.get("id") if isinstance(value, dict) else value
    return found if isinstance(found, str) else ""


def _plan(told: _Subscription, plans: Mapping[str, str]) -> str | None:
    prices = [item.price for item in told.items.data if item.price is not None]
    for price in prices:
        for name in (price.id, price.lookup_key, _id_of(price.product)):
            if name and name in plans:
                return plans[name]
    if plans:
        return None
    named = next((price.lookup_key or price.nickname or price.id for price in prices), "") or "standard"
    return "".join(char if char.isprintable() else "?" for char in named)[:80].strip() or "standard"


def _contact(metadata: Mapping[str, str], customer: str) -> tuple[str, str | None]:
    """Return the name and the address that the subscription was given, where they are sound."""
    try:
        name = clean_name(metadata.get("name", ""))
    except InvalidInput:
        name = f"Customer {''.join(c if c.isprintable() else '?' for c in customer)[:60]}"
    try:
        return name, mail_address(metadata.get("email", ""))
    except InvalidInput:
        return name, None


@frozen
class _Customer:
    """What a customer has: for each subscription the order of its newest event, and what that said."""

    subscriptions: dict[str, dict[str, Any]] = field(factory=dict)


def take(log: Log, private: Private, clock: Clock, event: Event) -> Settled:
    """Bring the membership of an event's customer to what is known of all their subscriptions.

    An event that came before, or that is older than what is known, changes nothing.
    """
    told = event.subscription
    if told is None:
        return Settled(None)
    name = f"billing:{sha256(told.customer.encode('utf-8', 'surrogatepass'))[:40]}"
    private.lock(name)
    try:
        known: dict[str, Any] = dict(private.get(name)["subscriptions"])
    except NotFound:
        known = {}
    if told.id in known and tuple(known[told.id]["order"]) >= event.order:
        return Settled(sources.find(log, private, "billing", told.customer))
    known[told.id] = {
        "order": list(event.order),
        "plan": told.plan,
        "name": told.name,
        "mail": told.mail,
    }
    newest = sorted(known, key=lambda each: (known[each]["plan"] is not None, known[each]["order"]))
    kept = {each: known[each] for each in newest[-MOST_SUBSCRIPTIONS:]}
    private.put(name, {"subscriptions": kept})
    best = kept[newest[-1]]
    return sources.settle(
        log,
        private,
        clock,
        "billing",
        Known(told.customer, best["name"], best["plan"], best["mail"]),
        by=BILLING,
    )
