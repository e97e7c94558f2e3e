"""Keys: their form, and what is kept of them."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emeritus.access import keys
from emeritus.access.keys import KEY, RECEIPT, KeyFault
from emeritus.core.errors import InvalidInput, NotFound

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
bodies = st.text(BASE62, min_size=32, max_size=32).map(lambda tail: KEY + tail)


@given(bodies)
def test_form_round_trips(body):
    """Whatever 32 characters are drawn, with their check they make a key of the form that scanners look for."""
    text = body + keys.check(body)
    assert keys.well_formed(text)
    assert re.fullmatch(r"emer_[0-9A-Za-z]{38}", text)


@given(bodies, st.data())
def test_one_wrong_character_is_noticed(body, data):
    """Any one character in place of another is caught without asking the database, wherever it is."""
    text = body + keys.check(body)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda c: c != text[place]))
    assert not keys.well_formed(text[:place] + other + text[place + 1 :])


@given(bodies, st.data())
def test_neighbours_swapped_are_noticed(body, data):
    """Two neighbours in each other's place are caught."""
    text = body + keys.check(body)
    place = data.draw(st.integers(0, len(text) - 2))
    swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    assert keys.well_formed(swapped) == (swapped == text)


@given(st.text())
def test_no_text_breaks_the_gate(text):
    """Whatever is presented as a key is answered with a fault, never with an exception."""
    from emeritus.access.fakes import MemoryKeys

    assert isinstance(keys.present(MemoryKeys(), text), KeyFault)


def test_two_keys_differ_and_prefixes_do_not_mix():
    """No two keys are alike, and a receipt is no key."""
    made = {keys.make() for _ in range(200)}
    assert len(made) == 200
    assert not keys.well_formed(keys.make(RECEIPT))
    assert keys.well_formed(keys.make(RECEIPT), RECEIPT)


def test_only_the_hash_is_kept(house):
    """What is kept does not hold the key, and no representation shows it."""
    issued = keys.issue(house.keys, house.clock, holder="member-1", kind="member", label="laptop")
    assert issued.text not in repr(house.keys.all())
    assert issued.text not in repr(issued)
    assert keys.present(house.keys, issued.text) == issued.record


def test_faults_are_told_apart(house):
    """Nothing, a typing error and a key that nobody knows are three things."""
    issued = keys.issue(house.keys, house.clock, holder="member-1", kind="member")
    typo = issued.text[:-1] + ("a" if issued.text[-1] != "a" else "b")
    assert keys.present(house.keys, None) is KeyFault.MISSING
    assert keys.present(house.keys, "  ") is KeyFault.MISSING
    assert keys.present(house.keys, typo) is KeyFault.MISTYPED
    assert keys.present(house.keys, keys.make()) is KeyFault.UNKNOWN
    assert keys.present(house.keys, "sk-somebody-elses") is KeyFault.UNKNOWN


def test_rotation_ends_the_old_key(house):
    """A rotated key takes over holder, label, models and expiry; the old one is revoked."""
    old = keys.issue(
        house.keys, house.clock, holder="grant-1", kind="grant", label="ci", models=("opus",)
    ).record
    fresh = keys.rotate(house.keys, house.clock, old.id).record
    assert (fresh.holder, fresh.kind, fresh.label, fresh.models) == ("grant-1", "grant", "ci", ("opus",))
    assert house.keys.get(old.id).revoked_at == house.clock.now()
    with pytest.raises(NotFound):
        keys.rotate(house.keys, house.clock, "key-unknown")


def test_use_is_noted_once_a_minute(house):
    """The last use is written at most once a minute: a read must not cost a write each time."""
    record = keys.issue(house.keys, house.clock, holder="member-1", kind="member").record
    first = house.clock.now()
    keys.note_use(house.keys, record, first)
    keys.note_use(house.keys, house.keys.get(record.id), first + timedelta(seconds=59))
    assert house.keys.get(record.id).last_used_at == first
    keys.note_use(house.keys, house.keys.get(record.id), first + timedelta(seconds=60))
    assert house.keys.get(record.id).last_used_at == first + timedelta(seconds=60)


def test_labels_are_plain(house):
    """A label that would break a terminal or a page is refused."""
    with pytest.raises(InvalidInput):
        keys.issue(house.keys, house.clock, holder="m", kind="member", label="a\x1b[2J")
