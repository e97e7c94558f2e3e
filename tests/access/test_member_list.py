"""A list of members does what its difference says, or nothing."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.access.conftest import ADA, House

from emeritus.access import member_list, members
from emeritus.access.member_list import BadList, carry_out, difference, read
from emeritus.core.errors import NotPermitted
from emeritus.core.people import SOFTWARE


def do(house, text, **more):
    people = read(text if isinstance(text, bytes) else text.encode())
    return carry_out(
        house.log,
        house.private,
        house.clock,
        difference(house.log, house.private, people),
        people,
        by=ADA,
        **more,
    )


def standing(house):
    return {
        each.name: (each.plan, each.mail)
        for each in members.all_members(house.log, house.private)
        if each.active
    }


def test_what_a_list_says_is_who_is_a_member(house):
    """In, over to another plan, out and in again: after each list the members are those on it."""
    do(house, "id,name,plan,mail\n1,Mo,pro,mo@x.example\n2,Bo,pro,\n")
    assert standing(house) == {"Mo": ("pro", "mo@x.example"), "Bo": ("pro", None)}
    told = difference(house.log, house.private, read(b"name,plan,id\nMo,team,1\n"))
    assert [change.says() for change in told.changes] == [
        "~ Mo (1): plan pro → team, mail mo@x.example → None",
        f"- Bo ({told.changes[1].known.external}): is not on the list, membership ends",
    ]
    do(house, "name,plan,id\nMo,team,1\n")
    assert standing(house) == {"Mo": ("team", None)}
    [back] = do(house, "id,name,plan\n1,Mo,team\n2,Bo,pro\n")
    assert (back.name, len(members.all_members(house.log, house.private))) == ("Bo", 2)


def test_doing_it_again_changes_nothing(house):
    """The same list a second time has no difference."""
    text = "id,name,plan\n1,Mo,pro\n"
    do(house, text)
    size = house.log.size()
    assert difference(house.log, house.private, read(text.encode())) == member_list.Difference((), 1)
    do(house, text)
    assert house.log.size() == size


def test_members_from_elsewhere_are_left_alone(house):
    """Who came by hand is neither changed nor ended by a list that does not know them."""
    members.join(house.log, house.private, house.clock, name="By hand", plan="gift", by=ADA)
    do(house, "id,name,plan\n1,Mo,pro\n")
    do(house, "id,name,plan\n")
    assert standing(house) == {"By hand": ("gift", None)}


def test_a_list_that_was_cut_off_ends_nothing(house):
    """More than a few and more than a fifth of the members gone is refused, unless a person insists."""
    rows = "".join(f"{number},M{number},pro\n" for number in range(20))
    do(house, f"id,name,plan\n{rows}")
    short = "id,name,plan\n" + "".join(rows.splitlines(keepends=True)[:10])
    with pytest.raises(BadList, match="end 10 memberships at once"):
        do(house, short)
    assert len(standing(house)) == 20
    do(house, short, many=True)
    assert len(standing(house)) == 10


def test_what_was_shown_is_what_is_done(house):
    """When somebody joined while the difference was looked at, nothing is done; nor by anybody but a steward."""
    people = read(b"id,name,plan\n1,Mo,pro\n2,Bo,pro\n")
    shown = difference(house.log, house.private, people)
    do(house, "id,name,plan\n2,Bo,team\n")
    with pytest.raises(BadList, match="changed while"):
        carry_out(house.log, house.private, house.clock, shown, people, by=ADA)
    with pytest.raises(NotPermitted):
        carry_out(house.log, house.private, house.clock, shown, people, by=SOFTWARE)
    assert standing(house) == {"Bo": ("team", None)}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "'id' is missing"),
        (b"id,name\n1,Mo\n", "'plan' is missing"),
        (b"id,name,plan,iban\n", "'iban' is no column"),
        (b"id,name,plan,id\n", "'id' stands there twice"),
        (b"id,name,plan\n1,Mo\n", "line 2: It has 2 fields, not 3"),
        (b"id,name,plan\n1,Mo,pro\n1,Bo,pro\n", "line 3: '1' stands there twice"),
        (b"id,name,plan\n1,Mo,pro\n,Bo,pro\n", "line 3: The id is missing"),
        (b"id,name,plan\n1,,pro\n", "line 2: A name needs"),
        (b"id,name,plan\n1,M\xe2\x80\xaeo,pro\n", "line 2: A name needs"),
        (b"id,name,plan\n1,Mo, \n", "line 2: The plan is missing"),
        (b"id,name,plan,mail\n1,Mo,pro,not-an-address\n", "line 2: 'not-an-address' is no mail address"),
        (b'id,name,plan,mail\n1,Mo,pro,"a@b.example\nBcc: all@b.example"\n', "no mail address"),
        (b'id,name,plan\n1,"Mo,pro\n', "line 2"),
        (b'id,name,plan\n1,"Mo"x,pro\n', "line 2"),
        (b"id,name,plan\n1,M\x00o,pro\n", "NUL"),
        (b"id,name,plan\n1,M\xfc,pro\n", "byte 16 is not UTF-8"),
        (b"id,name,plan\n" + b"x" * 500 + b",Mo,pro\n", "longer than 400"),
        (b"PK\x03\x04 a spreadsheet", "'id' is missing"),
    ],
    ids=range(18),
)
def test_a_list_with_a_fault_does_nothing(house, data, says):
    """The fault is named with its line, in printable words, and nobody of the rest is let in."""
    with pytest.raises(BadList, match=says) as refused:
        do(house, data)
    assert refused.value.sentence.isprintable()
    assert standing(house) == {}


def test_only_the_first_faults_are_told():
    """A list of a thousand faults is answered in a sentence that can be read."""
    with pytest.raises(BadList, match="and more") as refused:
        read(b"id,name,plan\n" + b"x,y\n" * 1000)
    assert len(refused.value.sentence) < 700


def test_a_list_is_bounded(monkeypatch):
    """Neither its bytes nor its people are without bound."""
    monkeypatch.setattr(member_list, "MAX_ROWS", 2)
    with pytest.raises(BadList, match="more than 2 people"):
        read(b"id,name,plan\n1,A,p\n2,B,p\n3,C,p\n")
    monkeypatch.setattr(member_list, "MAX_BYTES", 10)
    with pytest.raises(BadList, match="larger"):
        read(b"id,name,plan\n")


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: f"id,name,plan\n{text}".encode()))
@settings(max_examples=300)
def test_whatever_comes_is_a_list_or_an_error(data):
    """Bytes of a stranger are a list or a BadList in printable words, and never another exception."""
    try:
        people = read(data)
    except BadList as refused:
        said = refused.sentence
    else:
        said = "".join(f"{known.external}{known.name}{known.plan}" for known in people)
    assert said.isprintable()


PEOPLE = st.dictionaries(
    st.integers(1, 6).map(str),
    st.tuples(
        st.sampled_from(["Mo", "Bo, the 'second'", '=cmd|"x"', "Ünal"]), st.sampled_from(["pro", "team"])
    ),
    max_size=5,
)


@given(st.lists(PEOPLE, min_size=1, max_size=4))
@settings(max_examples=60)
def test_the_last_list_stands(lists):
    """Whatever lists came before, who is a member is exactly who stands on the last one, as it says."""
    house = House()
    for people in lists:
        out = io.StringIO()
        csv.writer(out).writerows([("id", "name", "plan"), *((key, *told) for key, told in people.items())])
        do(house, out.getvalue(), many=True)
        active = [each for each in members.all_members(house.log, house.private) if each.active]
        assert sorted((each.name, each.plan) for each in active) == sorted(people.values())
