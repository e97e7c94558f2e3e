"""The billing webhook: only what was signed just now counts, once, and in whatever order it comes."""

import hashlib
import hmac
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.access.conftest import NOW, House

from emeritus.access import billing, members
from emeritus.access.billing import BadSignature, read_event, take, verify
from emeritus.core.errors import InvalidInput

SECRET = "whsec_" + "s" * 32
SECONDS = int(NOW.timestamp())


def signed(body, at=SECONDS, secret=SECRET, scheme="v1"):
    mac = hmac.new(secret.encode(), b"%d.%b" % (at, body), hashlib.sha256).hexdigest()
    return f"t={at},{scheme}={mac}"


def event(
    kind="updated", *, name="evt_1", sub="sub_1", created=SECONDS, status="active", price="price_1", **more
):
    told = {
        "id": sub, "object": "subscription", "customer": "cus_1", "status": status,
        "items": {"object": "list", "data": [{"price": {"id": price, "product": "prod_1"}}]},
        "metadata": {"name": "Mo Reader", "email": "mo@reader.example"}, **more,
    }  # fmt: skip
    whole = {
        "id": name,
        "type": f"customer.subscription.{kind}",
        "created": created,
        "data": {"object": told},
    }
    return json.dumps({**whole, "livemode": False, "api_version": "2026-01-28"}).encode()


def understood(body):
    try:
        read_event(body, {})
    except InvalidInput as error:
        return error
    return None


def send(house, body, plans=None):
    return take(house.log, house.private, house.clock, read_event(body, plans or {}))


def member(house):
    found = members.all_members(house.log, house.private)
    assert len(found) <= 1
    return found[0] if found else None


# ---- signatures ----


def test_what_was_signed_just_now_is_accepted():
    """Also by the second of two secrets, beside signatures of other schemes, and up to five minutes off."""
    body = event()
    verify([SECRET], signed(body), body, NOW)
    verify(["whsec_new", SECRET], f"{signed(body)},v0=00,v1={'0' * 64}", body, NOW)
    for off in (-300, 300):
        verify([SECRET], signed(body, SECONDS + off), body, NOW)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=,v1=",
        f"t={SECONDS}",
        "v1=" + "0" * 64,
        f"t={SECONDS},v1=" + "0" * 64,
        f"t={SECONDS},v1=ü",
        f"t={'9' * 5000},v1=00",
        "t=1e9,v1=00",
        "t=-1,v1=00",
        "t=²,v1=00",
        ",=,=,==",
    ],
)
def test_no_other_header_is(header):
    """What is malformed, empty, or signed by nobody is refused with a sentence, and never a traceback."""
    with pytest.raises(BadSignature):
        verify([SECRET], header, event(), NOW)


def test_neither_another_secret_nor_another_body_nor_another_time():
    """A signature is for these bytes, at this time, by this house; without a secret nothing is accepted."""
    body = event()
    for secrets, header, told in (
        ([SECRET], signed(body, secret="whsec_other"), body),
        ([SECRET], signed(body), body + b" "),
        ([SECRET], signed(body).replace(str(SECONDS), str(SECONDS + 1)), body),
        ([SECRET], signed(body, scheme="v0"), body),
        ([SECRET], f"t={SECONDS},{signed(body)}", body),
        ([], signed(body), body),
        ([""], signed(body, secret=""), body),
    ):
        with pytest.raises(BadSignature):
            verify(secrets, header, told, NOW)


def test_a_replay_is_refused():
    """The same bytes with the same signature are refused once they are older than the tolerance."""
    body = event()
    for off in (-301, 301):
        with pytest.raises(BadSignature, match="five minutes"):
            verify([SECRET], signed(body, SECONDS + off), body, NOW)


@given(st.binary(max_size=200), st.text(max_size=200))
@settings(max_examples=200)
def test_bytes_of_a_stranger_do_nothing(body, header):
    """Whatever comes: a typed error and no other exception."""
    with pytest.raises(BadSignature):
        verify([SECRET], header, body, NOW)
    refused = understood(body)
    assert refused is None or str(refused).isprintable()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "status", "customer", "items", "data", "price"]), inner, max_size=4),
        max_leaves=12,
    )
)  # fmt: skip
def test_strange_events_are_refused_or_understood(told):
    """An object of any shape inside a sound event is an error with a sentence, or an event."""
    whole = {"id": "evt", "type": "customer.subscription.updated", "created": 1, "data": {"object": told}}
    refused = understood(json.dumps(whole).encode())
    assert refused is None or refused.next_step


# ---- what follows ----


def test_a_subscription_is_a_membership(house):
    """Created: in, with name and address from its metadata; another price: another plan; deleted: out."""
    plans = {"price_1": "reader", "prod_2": "team"}
    assert send(house, event("created"), plans).change == "joined"
    assert member(house) == members.Member(
        member(house).id, "Mo Reader", "reader", True, "mo@reader.example", "billing"
    )
    team = event(
        name="evt_2",
        created=SECONDS + 1,
        items={"data": [{"price": {"id": "price_9", "product": {"id": "prod_2"}}}]},
    )
    assert send(house, team, plans).change == "changed"
    assert member(house).plan == "team"
    assert (
        send(house, event("deleted", name="evt_3", created=SECONDS + 2, status="canceled"), plans).change
        == "lapsed"
    )
    assert not member(house).active
    assert [entry.kind for entry in house.log.entries(kinds=members.KINDS)] == [
        "member.joined",
        "member.changed",
        "member.lapsed",
    ]
    assert not any(b"cus_1" in entry.data or b"Mo" in entry.data for entry in house.log.entries())


@pytest.mark.parametrize(
    ("status", "active"),
    [("active", True), ("trialing", True), ("past_due", True), ("unpaid", False), ("canceled", False),
     ("incomplete", False), ("incomplete_expired", False), ("paused", False), ("anything else", False)],
)  # fmt: skip
def test_who_pays_is_a_member(house, status, active):
    """A payment that is late is asked for again before a membership ends; nothing else counts as paid."""
    send(house, event(status=status))
    assert (member(house) is not None and member(house).active) == active


def test_a_price_that_is_no_plan_makes_no_member(house):
    """Where plans are declared, other prices of the same shop are none of ours."""
    assert send(house, event(price="price_shirt"), {"price_1": "reader"}).change == ""
    assert member(house) is None


def test_an_event_counts_once(house):
    """The same event again changes nothing, and neither do events of other kinds."""
    send(house, event("created"))
    size = house.log.size()
    assert send(house, event("created")).change == ""
    assert send(house, json.dumps({"id": "e", "type": "invoice.paid", "created": 1, "data": {"object": 1}}).encode()).change == ""  # fmt: skip
    assert house.log.size() == size


def test_two_subscriptions_of_one_customer(house):
    """Whoever has one that is paid is a member, by the plan of that one."""
    send(house, event(sub="sub_1", price="small"))
    send(house, event(sub="sub_2", name="evt_2", created=SECONDS + 5, price="large"))
    assert member(house).plan == "large"
    send(house, event("deleted", sub="sub_2", name="evt_3", created=SECONDS + 9))
    assert (member(house).plan, member(house).active) == ("small", True)


def test_what_a_steward_decided_is_not_undone(house):
    """Somebody whom a steward let back in by hand stays, whatever billing says later."""
    send(house, event("created"))
    send(house, event("deleted", name="evt_2", created=SECONDS + 1))
    members.join(
        house.log,
        house.private,
        house.clock,
        name="Mo Reader",
        plan="gift",
        by=house.ada,
        member=member(house).id,
    )
    assert send(house, event("deleted", sub="sub_7", name="evt_3", created=SECONDS + 2)).change == ""
    assert member(house).active


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["created", "updated", "updated", "deleted"]),
        st.sampled_from(["sub_1", "sub_2"]),
        st.sampled_from(["active", "past_due", "unpaid"]),
        st.sampled_from(["small", "large"]),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=6,
)


@given(EVENTS, st.data())
@settings(max_examples=60)
def test_any_order_ends_the_same(told, data):
    """Late, twice and out of order: what stands in the end is what stands when all came once, in any order."""
    bodies = [
        event(kind, name=f"evt_{number}", sub=sub, status=status, price=price, created=SECONDS + second)
        for number, (kind, sub, status, price, second) in enumerate(told)
    ]
    shuffled = data.draw(
        st.permutations([*bodies, *data.draw(st.lists(st.sampled_from(bodies), max_size=3))])
    )
    ends = []
    for order in (bodies, shuffled):
        house = House()
        for body in order:
            send(house, body)
        found = member(house)
        ends.append((found.plan, found.active) if found is not None and found.active else None)
    assert ends[0] == ends[1]


def test_names_that_cannot_be_are_not_taken(house):
    """A name or an address that nobody could have does not keep a payer out."""
    send(house, event(metadata={"name": "\u202e" * 3, "email": "x@y\nBcc: all@example.org"}))
    assert (member(house).name, member(house).mail) == ("Customer cus_1", None)
    assert billing.BILLING.kind == "software"
