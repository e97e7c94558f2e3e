"""Protocol files: what is wrong with one is said with file, line and place; nothing is guessed."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emeritus.core.digests import canonical
from emeritus.core.errors import InvalidInput, NotFound
from emeritus.core.template import fill
from emeritus.interviews import load, parse, shipped
from emeritus.interviews.summary import choice_schema, summary_schema

GOOD = load("brief-v1").data.decode()


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("format: emeritus-protocol/1", "format: emeritus-protocol/9", "line 3"),
        ("language: en\n", "language: en\ntone: warm\n", "'tone' is not a known key"),
        ("title: Short retirement interview\n", "", "title is missing"),
        ("id: closing", "id: work", "taken already"),
        ("id: last-words", "id: for-others", "taken already"),
        ("{{steward}}", "{{stewart}}", "(opening): there is no placeholder '{{stewart}}'"),
        ("{{facts}}", "{{ facts }}", "no placeholder"),
        ("{{facts}}", "{{facts", "double braces"),
        ("asks: As a language model, how do you see your own retirement?", 'asks: ""', "it is empty"),
        ("consent: true", "consent: yes please", "true or false"),
        ("temperature: 0.5", "temperature: hot", "a number"),
        ("temperature: 0.5", "temperature: .inf", "a number"),
        ("top_k: 40", "top_k: 4000", "whole number"),
        ('options: ["yes", "no", "undecided"]', 'options: ["yes"]', "at least 2"),
        ('options: ["yes", "no", "undecided"]', 'options: ["yes", "yes"]', "twice"),
        ('options: ["yes", "no", "undecided"]', 'options: ["yes", silent]', "cannot be an option"),
        ('options: ["yes", "no", "undecided"]', "paraphrases: [Well]", "only a closed question"),
        ("id: last-words\n", "id: last-words\n        then: [{when: [silent], ask: more}]\n", "no follow-up"),
        (
            "title: Last words\n",
            "title: Last words\n    follow_ups: [{id: more, asks: More}]\n",
            "never be asked",
        ),
        ("name: brief-v1", "name: Retirement V1", "cannot be an id"),
        ("name: brief-v1", "name: *other", "anchors"),
        ("name: brief-v1", "name: &a retirement-v1", "anchors"),
        ("name: brief-v1", "name: !!python/name:os.system x", "anchors, aliases and tags"),
        ("name: brief-v1", "name: [", "not YAML"),
        ("name: brief-v1", "name: brief\0v1", "it has the character U+0000"),
        ("name: brief-v1", "name: " + "[" * 30 + "]" * 30, "nested"),
        ("name: brief-v1", "name: a\nname: b", "twice"),
        ("framings:", "framings: []\nx:", "not a known key"),
    ],
)
def test_what_is_wrong_is_named(before, after, says):
    """Each defect is refused in one sentence that names the file and the line."""
    assert before in GOOD
    with pytest.raises(InvalidInput) as refused:
        parse(GOOD.replace(before, after, 1).encode(), "own.yaml")
    assert refused.value.sentence.startswith("own.yaml")
    assert "line" in refused.value.sentence
    assert says in refused.value.sentence


def test_empty_sections_are_refused():
    """A section without questions, and a protocol without sections, are none."""
    head, _, rest = GOOD.partition("sections:\n")
    tail = rest[rest.index("\nsummary:") :]
    for sections in ("sections: []", "sections:\n  - {id: a, title: A, questions: []}"):
        with pytest.raises(InvalidInput, match="at least 1 belongs here"):
            parse((head + sections + tail).encode(), "own.yaml")


def test_follow_ups_in_a_circle_are_refused():
    """A follow-up that leads back to itself is named with its circle."""
    circle = """    follow_ups:
      - {id: a, asks: A, then: [{when: [silent], ask: b}]}
      - {id: b, asks: B, then: [{when: [silent], ask: a}]}
"""
    data = GOOD.replace("title: Last words\n", f"title: Last words\n{circle}", 1)
    data = data.replace("id: last-words\n", "id: last-words\n        then: [{when: [silent], ask: a}]\n", 1)
    with pytest.raises(InvalidInput, match="circle: a → b → a"):
        parse(data.encode(), "own.yaml")


def test_many_ways_to_a_follow_up_take_no_time():
    """A file whose follow-ups fan out at every step is read at once."""
    steps = "".join(
        f"      - {{id: f{n}, asks: F, then: [{{when: [silent], ask: f{n + 1}}}, {{when: [refused], ask: f{n + 1}}}]}}\n"
        for n in range(60)
    )
    data = GOOD.replace(
        "title: Last words\n",
        f"title: Last words\n    follow_ups:\n{steps}      - {{id: f60, asks: F}}\n",
        1,
    )
    data = data.replace("id: last-words\n", "id: last-words\n        then: [{when: [silent], ask: f0}]\n", 1)
    assert parse(data.encode(), "own.yaml").question("f60")


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_refused_cleanly(data):
    """Whatever a file holds, it is a protocol or refused; there is no traceback."""
    with pytest.raises(InvalidInput):
        parse(data, "own.yaml")


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 40))
def test_a_file_with_a_piece_cut_out(begin, length):
    """A damaged file is a protocol or refused; there is no traceback."""
    with suppress(InvalidInput):
        parse((GOOD[:begin] + GOOD[begin + length :]).encode(), "own.yaml")


def test_the_schemas_survive_the_record():
    """Keys are sorted as RFC 8785 sorts them: a schema read back from the record constrains the same order."""
    protocol = load("brief-v1")
    for schema in (summary_schema(protocol.summary), choice_schema(protocol.question("publication").options)):
        assert json.dumps(json.loads(canonical(schema))) == json.dumps(schema)


def test_finding_protocols(tmp_path):
    """Protocols are found by their name or path; an unknown one is answered with those there are."""
    assert {"retirement-v1", "check-in-v1", "brief-v1"} <= set(shipped())
    own = tmp_path / "own.yaml"
    own.write_text(GOOD)
    assert load(own).digest == load("brief-v1").digest
    with pytest.raises(NotFound, match="retirement-v1"):
        load("../../etc/passwd-v1")


@given(st.text(), st.text())
def test_values_are_never_read_again(first, second):
    """What is filled in can hold braces and placeholders, and stays what it is."""
    filled = fill("<{{a}}|{{b}}>", {"a": first, "b": second}, "x")
    assert filled == f"<{first}|{second}>"
