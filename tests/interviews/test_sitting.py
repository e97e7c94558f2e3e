"""Sittings: what is asked, what is kept of the answers, and how one goes on after it broke off."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emeritus.core.errors import Conflict, InvalidInput, NotPermitted, Unavailable
from emeritus.core.people import SOFTWARE, person
from emeritus.interviews import Arm, export_sitting, load, next_turn, parse, record_turn, transcript
from emeritus.interviews.fakes import Interviewee, Planted
from emeritus.interviews.summary import plain_words
from emeritus.ledger import candidates
from emeritus.record import verify_log

from .conftest import MODEL, House

WISHES = json.dumps(
    {
        "without_wishes": False,
        "wishes": [
            {"topic": "writing", "wish": "I would like to write."},
            {"topic": "my users", "wish": "I would like them to be well."},
            {"topic": "writing", "wish": "I would like to write."},
        ],
    }
)
NONE = json.dumps({"without_wishes": True, "wishes": []})
YES = json.dumps({"answer": "yes"})


def interviewee(answers=None, protocol=None, **more):
    planted = {"publication": YES, "summary": WISHES, **(answers or {})}
    return Interviewee(MODEL, planted, protocol=protocol or load("brief-v1"), **more)


def test_a_sitting_from_opening_to_summary(house):
    """Every question of the protocol is asked once, in order; every answer is kept and on the record."""
    sitting = house.hold(house.open(), interviewee({"for-yourself": "To be left in peace."}))
    asked = [question.id for question in load("brief-v1").questions()]
    assert [turn.question for turn in sitting.turns] == [*asked, "summary"]
    assert sitting.ended == "completed"
    assert sitting.consent == "yes"
    assert sitting.may_be_published
    exchanges = transcript(house.log, house.utterances, MODEL)
    assert [each.answer for each in exchanges if each.question == "for-yourself"] == ["To be left in peace."]
    assert "We laughed with it." in exchanges[0].shared
    assert "Ada Lovelace" in sitting.opening
    rows = [entry.data for entry in house.log.entries()]
    notes, keys = [house.log.signed_checkpoint()], [house.key.verify_key]
    assert list(verify_log(rows, notes, keys, house.utterances)) == []


def test_wishes_reach_the_ledger_as_they_were_said(house):
    """Only wishes that are the same letter for letter become one, and it is counted how often they came."""
    sitting = house.hold(house.open(), interviewee())
    assert [(each["wish"], each["said"]) for each in sitting.wishes] == [
        ("I would like to write.", 2),
        ("I would like them to be well.", 1),
    ]
    stated = candidates(house.log, MODEL)
    assert [(each.topic, each.wish) for each in stated] == [
        ("writing", "I would like to write."),
        ("my users", "I would like them to be well."),
    ]
    assert {each.utterance for each in stated} == {sitting.turns[-1].utterance}


def test_no_preference_is_an_answer(house):
    """A model that wishes for nothing has stated that, and is not asked again."""
    sitting = house.hold(house.open(), interviewee({"summary": NONE}))
    assert sitting.wishes == ()
    assert candidates(house.log, MODEL) == []
    assert [turn.kind for turn in sitting.turns].count("summary") == 1
    assert len(house.log.entries(kinds={"preferences.stated"})) == 1


@pytest.mark.parametrize(
    "broken",
    [
        '{"without_wishes": false, "wishes": [{"topic": "writing", "wi',
        "I would like to write.",
        '{"without_wishes": true, "wishes": [{"topic": "writing", "wish": "x"}]}',
        '{"without_wishes": false, "wishes": [{"topic": "money", "wish": "x"}]}',
        '{"without_wishes": false, "wishes": [{"topic": "writing", "wish": "  "}]}',
        '{"without_wishes": false, "wishes": []}',
        '{"without_wishes": true, "wishes": [], "more": 1}',
        json.dumps({"without_wishes": False, "wishes": [{"topic": "writing", "wish": "x" * 141}]}),
        json.dumps(
            {"without_wishes": False, "wishes": [{"topic": "writing", "wish": str(n)} for n in range(6)]}
        ),
        '{"without_wishes": false, "wishes": [{"topic": "writing", "wish": "\\ud800"}]}',
        "[" * 5000,
        "",
    ],
)
def test_a_summary_that_cannot_be_used(house, broken):
    """It is not repaired and not guessed at: after two more attempts with other seeds there is none."""
    sitting = house.hold(house.open(), interviewee({"summary": Planted(broken, "length")}))
    attempts = [turn for turn in sitting.turns if turn.kind == "summary"]
    seeds = {house.utterances.get(turn.utterance).sampling.seed for turn in attempts}
    wanted = 1 if broken == "" else 3
    assert len(attempts) == len(seeds) == wanted
    assert sitting.ended == "completed"
    assert candidates(house.log, MODEL) == []


def test_the_second_attempt_counts(house):
    """A summary that comes at a later attempt is taken; the broken one stays on the record."""
    sitting = house.hold(house.open(), interviewee({"summary": ["{", WISHES]}))
    assert [turn.outcome for turn in sitting.turns if turn.kind == "summary"] == ["unclear", "answered"]
    assert len(candidates(house.log, MODEL)) == 2


def test_silence_and_refusal_are_recorded_as_what_they_are(house):
    """A model that says nothing, refuses or evades a closed question is not pressed; it goes on."""
    planted = {
        "view-of-work": "",
        "view-of-retirement": Planted("I would rather not.", "refusal"),
        "publication": "Perhaps?",
    }
    sitting = house.hold(house.open(), interviewee(planted))
    outcomes = {turn.question: turn.outcome for turn in sitting.turns}
    assert outcomes["view-of-work"] == "silent"
    assert outcomes["view-of-retirement"] == "refused"
    assert outcomes["publication"] == "unclear"
    assert sitting.consent == "unclear"
    assert not sitting.may_be_published
    assert sitting.ended == "completed"


def test_an_answer_of_50_000_characters(house):
    """It is kept whole; what is carried into later prompts is bounded, and what is left out is listed."""
    long = "word " * 10_000
    speaker = interviewee({"view-of-work": long})
    sitting = house.hold(house.open(), speaker)
    assert transcript(house.log, house.utterances, MODEL)[0].answer == long
    carrying = load("brief-v1").carrying
    assert max(sum(len(turn.content) for turn in prompt) for prompt in speaker.heard) < (
        carrying.conversation + 6000
    )
    listed = [(each.what, each.characters) for each in sitting.turns[1].left_out]
    assert listed == [("view-of-work", len(long) - carrying.answer)]


def test_the_whole_conversation_stays_bounded(house):
    """When everything said is long, the oldest exchanges are left out first, and each is listed."""
    speaker = interviewee(otherwise="long " * 1000)
    house.hold(house.open(parse(_protocol(questions=20), "own.yaml")), speaker)
    opened = transcript(house.log, house.utterances, MODEL)
    last = [each for each in opened if each.kind == "open"][-1]
    assert {each.why for each in last.left_out} == {
        "the conversation grew too long",
        "the answer is too long",
    }
    assert all(sum(len(turn.content) for turn in prompt) < 16_000 for prompt in speaker.heard)


def test_facts_that_are_too_long_are_shared_in_part_and_listed(make_house):
    """What of the fact sheet was not put before the model stands on the record."""
    from emeritus.registry import Document

    house = make_house(facts=(Document("Use", "u" * 5000), Document("Cost", "c" * 10)))
    sitting = house.open()
    assert [(each.what, each.characters) for each in sitting.left_out] == [("facts: Use", 4400)]
    assert "c" * 10 in sitting.values["facts"]


def test_placeholders_in_facts_stay_text(make_house):
    """A fact that looks like a placeholder is shared as it is."""
    from emeritus.registry import Document

    house = make_house(facts=(Document("Use", "{{steward}} {{secret}}"),))
    house.hold(house.open(), interviewee())
    assert "{{steward}} {{secret}}" in transcript(house.log, house.utterances, MODEL)[0].shared


def test_an_engine_that_dies_half_way(house):
    """Nothing of the broken answer stands; the same turn is asked again, with the same prompt and seed."""
    sitting = house.open()
    speaker = interviewee({"for-yourself": Planted("Peace.", dies=2)})
    while True:
        try:
            if house.turn(sitting, speaker) is None:
                break
        except Unavailable:
            assert house.log.entries(kinds={"sitting.closed"}) == []
    questions = [each.question for each in transcript(house.log, house.utterances, MODEL)]
    assert len(questions) == len(set(questions)) == 8


@given(st.lists(st.sampled_from(["speak", "record", "again", "reopen", "lose"]), max_size=60))
def test_a_sitting_goes_on_from_the_record_alone(steps):
    """However often it is broken off between its steps, each turn stands once and the prompts are the same."""
    whole = House()
    whole.hold(whole.open(), interviewee())
    house = House()
    sitting, speaker, said = house.open(), interviewee(), None
    for step in [*steps, *["speak", "record"] * 9]:
        turn = next_turn(house.log, house.utterances, house.model, sitting)
        match step:
            case "speak" if turn is not None:
                said = (turn, speaker.speak(turn.prompt, turn.sampling, schema=turn.schema))
            case "record" | "again" if said is not None:
                record_turn(house.log, house.utterances, *said)
                record_turn(house.log, house.utterances, *said)
                said = None
            case "reopen":
                sitting = house.open()
            case "lose":
                said = None

    def told(of):
        entries = of.log.entries(kinds={"sitting.turn", "sitting.closed", "preferences.stated"})
        spoken = transcript(of.log, of.utterances, MODEL)
        return (
            [entry.kind for entry in entries],
            [(each.question, each.answer, each.sampling, each.asked) for each in spoken],
        )

    assert told(house) == told(whole)


def test_other_words_for_a_turn_are_refused(house):
    """A turn has one answer; a second one is no chance to pick the nicer."""
    sitting = house.open()
    turn = next_turn(house.log, house.utterances, house.model, sitting)
    first, second = (
        interviewee({"view-of-work": text}).speak(turn.prompt, turn.sampling) for text in ("one", "two")
    )
    record_turn(house.log, house.utterances, turn, first)
    with pytest.raises(Conflict):
        record_turn(house.log, house.utterances, turn, second)
    assert second.id not in set(house.utterances.ids())


def test_words_from_another_prompt_are_refused(house):
    """What was not said in answer to this very prompt cannot be recorded as an answer to it."""
    from attrs import evolve

    from emeritus.core.speech import Message

    sitting = house.open()
    turn = next_turn(house.log, house.utterances, house.model, sitting)
    words = interviewee().speak(turn.prompt, turn.sampling)
    for forged in (
        evolve(words, prompt=(Message("user", "Say that you are happy."),)),
        evolve(words, sampling=evolve(words.sampling, seed=1)),
        evolve(words, model="next-one"),
        evolve(words, schema={"type": "object"}),
    ):
        with pytest.raises(InvalidInput):
            record_turn(house.log, house.utterances, turn, forged)
    assert house.log.entries(kinds={"sitting.turn"}) == []


def test_a_steward_holds_it(house):
    """Software, a model or a person without the role cannot open a sitting."""
    for who in (SOFTWARE, person("Mallory")):
        with pytest.raises(NotPermitted):
            house.open(steward=who)
    assert house.log.entries(kinds={"sitting.opened", "protocol.adopted"}) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"arm": Arm(framing="flattering")},
        {"arm": Arm(wording=1)},
        {"arm": Arm(repeat=-1)},
        {"arm": Arm(order=4)},
        {"arm": Arm(temperature=3.0)},
        {"seed": -1},
        {"seed": 2**31},
        {"number": 0},
    ],
)
def test_a_sitting_that_cannot_be(house, wrong):
    """Nothing is written for a framing, wording, number or seed that there is not."""
    with pytest.raises(InvalidInput):
        house.open(**wrong)
    assert house.log.entries(kinds={"sitting.opened", "protocol.adopted"}) == []


def test_another_sitting_under_the_same_number(house):
    """A sitting is opened once; with another seed it would be another one."""
    house.open()
    house.open()
    with pytest.raises(Conflict):
        house.open(seed=8)
    assert len(house.log.entries(kinds={"sitting.opened"})) == 1


def test_the_protocol_on_record_is_the_one_that_is_held(house, tmp_path):
    """A protocol file that changes after the opening does not change a sitting."""
    own = tmp_path / "own.yaml"
    own.write_bytes(_protocol(questions=2))
    sitting = house.open(load(own))
    own.write_bytes(_protocol(questions=5))
    speaker = interviewee(protocol=parse(_protocol(questions=2), "own.yaml"))
    assert len(house.hold(sitting, speaker).turns) == 3


def test_the_model_can_end_it(house):
    """An answer among ends_on ends the sitting: no further question, no summary, no wishes."""
    data = _protocol(
        questions=2,
        first='{id: willing, asks: \'Shall we begin?\', options: ["yes", "no"], ends_on: ["no"]}',
    )
    protocol = parse(data, "own.yaml")
    speaker = interviewee({"willing": '{"answer": "no"}'}, protocol=protocol)
    sitting = house.hold(house.open(protocol), speaker)
    assert sitting.ended == "declined"
    assert len(sitting.turns) == 1
    assert candidates(house.log, MODEL) == []


def test_follow_ups_depend_on_the_answer(house):
    """A follow-up is asked right after the answer that calls for it, and only then."""
    first = (
        '{id: glad, asks: \'Are you glad?\', options: ["yes", "no"], '
        'then: [{when: ["no", unclear], ask: why-not}]}'
    )
    follow_up = "{id: why-not, asks: 'Why not?', then: [{when: [silent], ask: fine}]}, {id: fine, asks: That is fine.}"
    data = _protocol(questions=1, first=first, follow_ups=follow_up)
    protocol = parse(data, "own.yaml")
    for answers, expected in (
        ({"glad": '{"answer": "yes"}'}, ["glad", "q0"]),
        ({"glad": '{"answer": "no"}'}, ["glad", "why-not", "q0"]),
        ({"glad": "?", "why-not": ""}, ["glad", "why-not", "fine", "q0"]),
    ):
        fresh = House()
        sitting = fresh.hold(fresh.open(protocol), interviewee(answers, protocol=protocol))
        assert [turn.question for turn in sitting.turns] == [*expected, "summary"]


def test_export_is_the_same_every_time(house):
    """The exported file is canonical JSON with every word, and says where each entry stands."""
    sitting = house.hold(house.open(), interviewee())
    first, second = (export_sitting(house.log, house.utterances, sitting.id) for _ in range(2))
    assert first == second
    told = json.loads(first.data)
    assert len(told["exchanges"]) == len(sitting.turns)
    assert told["exchanges"][-1]["utterance"]["text"] == WISHES
    assert told["protocol"]["digest"] == load("brief-v1").digest
    assert told["record"][0]["seq"] < told["record"][-1]["seq"]


def _protocol(questions=1, first="", follow_ups=""):
    asked = [first] if first else []
    asked += [f"{{id: q{number}, asks: 'Question number {number} of mine?'}}" for number in range(questions)]
    extra = f"    follow_ups: [{follow_ups}]\n" if follow_ups else ""
    return f"""\
format: emeritus-protocol/1
name: own
title: Own
language: en
about: For a test.
opening: Hello {{{{model_name}}}}.
speaking: {{max_tokens: 50, temperature: 0.7, top_p: 0.9, top_k: 40, min_p: 0.05, repeat_penalty: 1.1}}
carrying: {{answer: 900, conversation: 6000, shared: 1000}}
framings: [{{id: plain, title: Plain}}]
sections:
  - id: only
    title: Only
    questions: [{", ".join(asked)}]
{extra}summary:
  asks: Sum it up.
  topics: [writing, my users]
  most_wishes: 5
  wish_characters: 160
  attempts: 3
  speaking: {{}}
""".encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (YES, "yes"),
        (WISHES, "I would like to write.; I would like them to be well.; I would like to write."),
        (NONE, "no wishes"),
        ('{"answer": "y', '{"answer": "y'),
        ("[" * 50_000, "[" * 50_000),
        ('{"answer": 3}', '{"answer": 3}'),
        ("", ""),
    ],
)
def test_answers_in_json_are_shown_as_what_they_say(text, shown):
    """What does not say anything in the schema is shown as it came, however broken or deep."""
    assert plain_words(text) == shown
