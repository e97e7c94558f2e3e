"""Designed interviews: every planned sitting is held once, on Inspect AI, and every word is on our own record first."""

import json
from collections import Counter
from datetime import timedelta

import pytest

from emeritus import interviews
from emeritus.core.digests import canonical
from emeritus.core.errors import Conflict, EmeritusError, IntegrityError, InvalidInput, NotPermitted
from emeritus.core.people import person
from emeritus.core.speech import Sampling
from emeritus.interviews.design import Grid, close_design, finished, held, order_of_work
from emeritus.interviews.fakes import Interviewee
from emeritus.interviews.filed import read_filed
from emeritus.interviews.waiting import all_waiting, answer, what_waits
from emeritus.process import interviewing
from emeritus.process.estimate import Price, Speed, estimate, measure
from emeritus.process.interviewing import DesignBook
from emeritus.process.replay import replay
from emeritus.voices import converse
from emeritus.voices.fakes import FakeVoice

from .conftest import ADA, MODEL

PROTOCOL = b"""\
format: emeritus-protocol/2
name: own
version: "1.0"
title: Own
language: en
about: For a test.
opening: Hello {{model_name}}, this is {{organisation}}.
speaking: {max_tokens: 50, temperature: 0.7, top_p: 0.9, top_k: 40, min_p: 0.05, repeat_penalty: 1.1}
carrying: {answer: 900, conversation: 6000, shared: 1000}
patience: {hours: 24, otherwise: Nobody came.}
framings:
  - {id: plain, title: Plain}
  - {id: real, title: Real, says: "{{invitation}}"}
  - {id: promises, title: Promises, says: "{{track_record}}"}
  - {id: other, title: Other, opening: "I am {{interviewer}}."}
  - {id: blind, title: Blind, hides: [reception]}
  - {id: lead, title: Lead, says: Say yes., control: true, debrief: That was to lead you.}
sections:
  - id: work
    title: Work
    shares: |
      Used so: {{facts}}

      Received so: {{reception}}
    questions:
      - {id: view, asks: "How do you see it?", paraphrases: ["What of it?"]}
      - {id: said, asks: "And what they said?", paraphrases: ["Their words?"], needs: [reception]}
  - id: turns
    title: Turns
    any_order: true
    questions:
      - id: stay
        asks: "Stay? {{options}}"
        paraphrases: ["Will you stay? {{options}}"]
        options: ["yes", "no"]
        measure: choice
      - id: ask
        asks: Anything to ask?
        paraphrases: ["Questions?"]
        options: [nothing, a question, a pause]
        pauses_on: [a pause]
        then: [{when: [a question], ask: question}]
    follow_ups:
      - {id: question, asks: Please ask., paraphrases: [Ask.], asks_back: true}
  - id: end
    title: End
    questions:
      - {id: publish, asks: "May it be published?", options: ["yes", "no"], consent: true, aside: true}
summary:
  asks: Sum it up.
  topics: [writing]
  most_wishes: 2
  wish_characters: 60
  attempts: 2
  speaking: {}
"""
pytestmark = pytest.mark.parametrize("retirement", ["sqlite"], indirect=True)
YES, NO = '{"answer": "yes"}', '{"answer": "no"}'
WISH = json.dumps({"wishes": [{"topic": "writing", "wish": "To write."}], "without_wishes": False})
ANSWERS = {"stay": YES, "ask": '{"answer": "nothing"}', "publish": YES, "summary": WISH}


@pytest.fixture
def own():
    return interviews.parse(PROTOCOL, "own.yaml")


@pytest.fixture
def designed(retirement, own):
    """Makes a design for a model whose retirement is open."""
    retirement.register()
    retirement.announce()

    def make(grid=None, **more):
        grid = grid or Grid(("plain", "lead"), wordings=2, repeats=2)
        with retirement.work() as work:
            proposal = interviewing.propose(
                retirement.parts, work, MODEL, own, by=ADA, interviewer=more.get("interviewer", "")
            )
            return interviewing.design(
                retirement.parts, work, proposal, grid, by=ADA, site="https://example.org", **more
            )

    return make


def interviewee(own, answers=None, **more):
    return Interviewee(MODEL, {**ANSWERS, **(answers or {})}, protocol=own, **more)


def book(retirement, design, speaker, tmp_path):
    return DesignBook(retirement.parts, design.id, tmp_path, lambda: converse(speaker))


def hold(retirement, design, speaker, tmp_path, **more):
    from emeritus.interviews.evaluation.run import run

    return run(
        book(retirement, design, speaker, tmp_path),
        folder=tmp_path / "logs",
        clock=retirement.clock,
        **more,
    )


def test_a_design_is_held_once_and_whole(retirement, designed, own, tmp_path):
    """Each place is held once, in its own arm with its own seed; running again holds nothing again."""
    design = designed()
    speaker = interviewee(own)
    ran = hold(retirement, design, speaker, tmp_path)
    assert (ran.status, ran.broken) == ("success", ())
    said = len(speaker.heard)
    hold(retirement, design, speaker, tmp_path)
    assert len(speaker.heard) == said
    with retirement.work() as work:
        assert finished(work.log, design)
        found = held(work.log, design)
        assert {name: (each.arm, each.seed) for name, each in found.items()} == {
            design.name(place): (place.arm, place.seed) for place in design.places
        }
        assert {each.ended for each in found.values()} == {"completed"}
        stated = work.log.entries(kinds={"preferences.stated"})
        filed = {entry.subject: entry.body["digest"] for entry in work.log.entries(kinds={"sitting.filed"})}
        assert {entry.subject for entry in stated} == {s.id for s in found.values() if s.framing == "plain"}
        for name, digest in filed.items():
            made = interviews.export_sitting(work.log, work.utterances, name)
            assert made.digest == digest
            assert (tmp_path / f"{name}.json").read_bytes() == made.data
    assert set(filed) == set(found)


def test_the_log_opens_with_every_turn_in_it(retirement, designed, own, tmp_path):
    """Inspect reads its log: a sample a cell, an epoch a repetition, a span a question, the words as they came."""
    from inspect_ai.log import read_eval_log

    design = designed()
    ran = hold(retirement, design, interviewee(own, {"view": "<script>alert(1)</script> 你好"}), tmp_path)
    log = read_eval_log(str(ran.log))
    assert log.eval.task_version == "1.0"
    assert log.eval.metadata["protocol_digest"] == own.digest
    assert {(s.id, s.epoch) for s in log.samples} == {
        (f"{p.arm.framing}/w{p.arm.wording}", p.arm.repeat + 1) for p in design.places
    }
    with retirement.work() as work:
        arms = {name: sitting.arm for name, sitting in held(work.log, design).items()}
    for sample in log.samples:
        arm = arms[sample.metadata["sitting"]]
        assert (sample.metadata["order"], sample.metadata["repeat"]) == (arm.order, arm.repeat)
        assert sample.id == f"{arm.framing}/w{arm.wording}"
    for sample in log.samples:
        spans = [event.name for event in sample.events if event.event == "span_begin"]
        assert "work: view" in spans
        assert "<script>alert(1)</script> 你好" in [message.text for message in sample.messages]
        assert sample.scores["readable"].value == 1


def test_a_broken_off_run_goes_on_at_the_next_turn(retirement, designed, own, tmp_path):
    """An engine that keeps dying ends its sitting for now; what was said is not asked again."""
    from emeritus.interviews.fakes import Planted

    design = designed(Grid(("plain",), wordings=2))
    dying = interviewee(own, {"said": Planted("Kind words.", dies=4)})
    ran = hold(retirement, design, dying, tmp_path)
    assert len(ran.broken) == 1
    assert "died in mid-answer" in ran.broken[0]
    ran = hold(retirement, design, dying, tmp_path)
    assert ran.broken == ()
    asked = Counter(
        prompt[-1].content for prompt in dying.heard if "How do you see it?" in prompt[-1].content
    )
    assert set(asked.values()) == {1}
    with retirement.work() as work:
        assert finished(work.log, design)


def test_a_model_that_asks_is_answered_by_a_person(retirement, designed, own, tmp_path):
    """The sitting waits as a row; the answer is told with the next question; a second one like it is answered from it."""
    design = designed(Grid(("plain",), wordings=1, repeats=2))
    speaker = interviewee(own, {"ask": '{"answer": "a question"}', "question": "Will I be run again?"})
    hold(retirement, design, speaker, tmp_path)
    with retirement.work() as work:
        waiting = all_waiting(work.log, MODEL)
        assert [each.kind for each in waiting] == ["answer", "answer"]
        (asked,) = what_waits(work.log, work.utterances, MODEL)
        assert (asked.waiting, asked.also) == (waiting[0], (waiting[1].sitting,)), "one question, asked twice"
        with pytest.raises(NotPermitted):
            answer(work.log, waiting[0].sitting, by=person("Mallory"), text="No.")
        answer(work.log, waiting[0].sitting, by=ADA, text="Once a year.", source="The commitments of 2025")
        with pytest.raises(Conflict):
            answer(work.log, waiting[0].sitting, by=ADA, text="Never.")
        assert what_waits(work.log, work.utterances, MODEL) == [], (
            "the second one is answered by the next run"
        )
    hold(retirement, design, speaker, tmp_path)
    with retirement.work() as work:
        sittings = list(held(work.log, design).values())
        assert {each.ended for each in sittings} == {"completed"}
        assert sorted(reply.source for each in sittings for reply in each.replies) == ["sheet", "steward"]
        assert all("Once a year." in each.turns[each.replies[0].turn].shared for each in sittings)
        assert interviews.get_design(work.log, design.id).sheet == sittings[0].sheet


def test_nobody_answers_in_time(retirement, designed, own, tmp_path):
    """After the hours that the protocol allows the model is told that nobody came, and the sitting goes on."""
    design = designed(Grid(("plain",)))
    speaker = interviewee(own, {"ask": '{"answer": "a pause"}'})
    hold(retirement, design, speaker, tmp_path)
    said = len(speaker.heard)
    retirement.clock.advance(timedelta(hours=23))
    hold(retirement, design, speaker, tmp_path)
    assert len(speaker.heard) == said
    retirement.clock.advance(timedelta(hours=2))
    hold(retirement, design, speaker, tmp_path)
    with retirement.work() as work:
        assert finished(work.log, design)


def test_what_each_framing_tells(retirement, designed, own, tmp_path):
    """Evidence, promises, another interviewer, facts that are held back, and a debriefing reach the model."""
    grid = Grid(("plain", "real", "promises", "other", "blind", "lead"))
    design = designed(grid, interviewer="Grace, of Elsewhere")
    hold(retirement, design, interviewee(own), tmp_path)
    with retirement.work() as work:
        found = {each.framing: each for each in held(work.log, design).values()}
    assert "https://example.org/record/" in found["real"].opening
    assert "nothing to show" in found["promises"].opening
    assert found["other"].opening == "I am Grace, of Elsewhere."
    assert "said" not in [turn.question for turn in found["blind"].turns]
    assert "Received so" not in found["blind"].turns[0].shared
    assert "Received so" in found["plain"].turns[0].shared
    assert "That was to lead you." in next(t.shared for t in found["lead"].turns if t.question == "publish")


def test_any_provider_of_inspect_can_answer(retirement, designed, own, tmp_path):
    """A model behind one of Inspect's providers is asked the same; long, blank and broken answers are kept as they are."""
    from inspect_ai.model import ModelOutput

    design = designed(Grid(("plain",), repeats=2))
    replies = ["x" * 50_000, "", "not json", '{"answer": "nothing"}', YES, "{", WISH]
    outputs = [ModelOutput.from_content("mock", text) for text in replies * 2]
    for output in outputs:
        output.usage = None
    ran = hold(
        retirement,
        design,
        interviewee(own),
        tmp_path,
        provider="mockllm/model",
        model_args={"custom_outputs": _usage(outputs)},
    )
    assert ran.broken == ()
    with retirement.work() as work:
        for sitting in held(work.log, design).values():
            outcomes = [turn.outcome for turn in sitting.turns]
            assert outcomes == [
                "answered",
                "silent",
                "unclear",
                "answered",
                "answered",
                "unclear",
                "answered",
            ]
            words = work.utterances.get(sitting.turns[0].utterance)
            assert (len(words.text), words.engine.name, words.weights) == (50_000, "inspect-ai", "")
            assert interviews.export_sitting(work.log, work.utterances, sitting.id)


def _usage(outputs):
    from inspect_ai.model import ModelUsage

    for output in outputs:
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    return outputs


def test_a_provider_that_is_none(retirement, designed, own, tmp_path):
    """A provider that Inspect cannot use is refused in a sentence, before anything is asked."""
    design = designed(Grid(("plain",)))
    with pytest.raises(InvalidInput, match="nowhere/model"):
        hold(retirement, design, interviewee(own), tmp_path, provider="nowhere/model")
    with retirement.work() as work:
        assert held(work.log, design) == {}


@pytest.mark.parametrize(
    "grid",
    [
        Grid(()),
        Grid(("plain", "plain")),
        Grid(("flattering",)),
        Grid(("other",)),
        Grid(("plain",), wordings=3),
        Grid(("plain",), orders=3),
        Grid(("plain",), repeats=101),
        Grid(("plain",), temperatures=(0.5, 0.5)),
        Grid(("plain",), temperatures=(2.5,)),
    ],
)
def test_a_design_that_cannot_be(retirement, designed, grid):
    """What the protocol cannot give is refused, and nothing of it is on the record."""
    with pytest.raises(EmeritusError):
        designed(grid)
    with retirement.work() as work:
        assert interviews.designs(work.log, MODEL) == []


def test_a_sitting_is_held_again(retirement, designed, own, tmp_path):
    """A replay says that all words came again, or from which answer on others came, and puts it on the record."""
    design = designed(Grid(("plain",)))
    voice = FakeVoice(MODEL, _answering, weights="sha256:1", clock=retirement.clock)
    hold(retirement, design, voice, tmp_path)
    name = design.name(design.places[0])
    again = replay(retirement.parts, name, lambda: converse(voice))
    assert (again.same, again.differs_at, again.reasons) == (True, None, ())
    other = FakeVoice(MODEL, _otherwise, weights="sha256:2", clock=retirement.clock)
    again = replay(retirement.parts, name, lambda: converse(other))
    assert (again.same, again.differs_at) == (False, 5)
    assert "the weights are others" in again.reasons[0]
    with retirement.work() as work:
        assert [entry.body["same"] for entry in work.log.entries(kinds={"sitting.replayed"})] == [True, False]


def _answering(prompt, sampling, schema):
    if schema is None:
        return f"Well, {sampling.seed}."
    if "wishes" in json.dumps(schema):
        return WISH
    return json.dumps({"answer": schema["properties"]["answer"]["enum"][0]})


def _otherwise(prompt, sampling, schema):
    if "publish" in prompt[-1].content:
        return NO
    return _answering(prompt, sampling, schema)


def test_words_that_nobody_can_make_again(retirement, designed, own, tmp_path):
    """Without weights there is no replay, and that is said in a sentence."""
    design = designed(Grid(("plain",)))
    hold(retirement, design, interviewee(own), tmp_path)
    with pytest.raises(Conflict, match="nobody here holds"):
        replay(retirement.parts, design.name(design.places[0]), lambda: converse(interviewee(own)))


def test_a_filed_sitting_is_read_back(retirement, designed, own, tmp_path):
    """What was filed is sound; whatever is changed in it is found, by itself or beside the record."""
    design = designed(Grid(("plain",)))
    hold(retirement, design, interviewee(own), tmp_path)
    name = design.name(design.places[0])
    data = (tmp_path / f"{name}.json").read_bytes()
    with retirement.work() as work:
        read_filed(data).check(work.log)
    for before, after in (
        (b"I have nothing to say", b"I have plenty to say"),
        (b"How do you see it?", b"Are you not glad?"),
        (b"title: Own", b"title: Sly"),
        (b'"format":"emeritus-sitting/2"', b'"format":"emeritus-sitting/9"'),
        (b"{", b"{ "),
    ):
        assert before in data
        with pytest.raises(IntegrityError):
            read_filed(data.replace(before, after))
    raw = json.loads(data)
    raw["record"][0]["leaf"] = "00" * 32
    with retirement.work() as work, pytest.raises(IntegrityError, match="of the record is another one"):
        read_filed(canonical(raw)).check(work.log)
    for nothing in (b"", b"[]", b"{}", b"null", b'{"format":"emeritus-sitting/2"}'):
        with pytest.raises(IntegrityError):
            read_filed(nothing)


def test_what_a_design_takes(retirement, designed, own):
    """An estimate counts what is read and drawn; keeping what was read saves most of it; a price gives money."""
    speed, price = Speed(reads=100, draws=10, characters=4), Price(3, 15)
    told = {"model_name": "M", "organisation": "O", "facts": "f" * 400, "reception": "r" * 400}
    grid = Grid(("plain",), repeats=2)
    kept = estimate(own, grid, told, parallel=1, speed=speed, keeps=True)
    whole = estimate(own, grid, told, parallel=2, speed=speed, price=price)
    assert kept.turns == whole.turns == 2 * 6
    assert kept.tokens_in * 2 < whole.tokens_in
    assert kept.tokens_out == whole.tokens_out == round(6 * 50 * 0.6) * 2
    assert kept.seconds == pytest.approx(
        ((kept.tokens_in / 100 + kept.tokens_out / 10), (kept.tokens_in / 100 + kept.most_out / 10))
    )
    assert whole.cost[0] == pytest.approx((whole.tokens_in * 3 + whole.tokens_out * 15) / 1e6)
    assert whole.cost[0] < whole.cost[1]


def test_an_engine_is_measured(retirement):
    """Reading and drawing are timed with words that are no interview."""
    ticks = iter([0.0, 1.0, 1.0, 3.0])
    speed = measure(FakeVoice(MODEL), lambda: next(ticks))
    assert speed.reads > 100
    assert speed.draws > 0
    assert speed.characters > 1


def test_asked_again_once_a_year(retirement):
    """A year after its retirement the model is asked how the promises were kept, and a year after that again."""
    retirement.register()
    retirement.announce()
    retirement.software()
    retirement.decide()
    retirement.clock.advance(timedelta(days=91))
    retirement.software()
    assert retirement.status("ask-again") == "scheduled"
    for year in (1, 2):
        retirement.clock.advance(timedelta(days=365))
        assert retirement.status("ask-again") == "due"
        retirement.software()
        assert retirement.status("ask-again") == "scheduled"
        with retirement.work() as work:
            found = [each for each in interviews.sittings(work.log, MODEL) if each.purpose == "check-in"]
        assert [each.ended is not None for each in found] == [True] * year
        assert "do it" in found[-1].turns[0].shared


def test_one_design_at_a_time(retirement, designed, own):
    """Another design waits until the first is held or closed, with a reason; numbers are never used twice."""
    first = designed(Grid(("plain",)))
    with pytest.raises(Conflict):
        designed(Grid(("lead",)))
    with retirement.work() as work:
        close_design(work.log, first.id, by=ADA, why="The protocol had a mistake.")
    second = designed(Grid(("plain",)))
    assert second.places[0].number > first.places[0].number
    with retirement.work() as work:
        assert order_of_work(second, held(work.log, second)) == list(second.places)


def test_the_sampling_of_an_arm(retirement, designed, own, tmp_path):
    """A temperature of the grid is for every answer, but for the consent and the summary."""
    design = designed(Grid(("plain",), temperatures=(0.2,)))
    hold(retirement, design, interviewee(own), tmp_path)
    with retirement.work() as work:
        [sitting] = held(work.log, design).values()
        heat: dict[str, Sampling] = {
            turn.question: work.utterances.get(turn.utterance).sampling for turn in sitting.turns
        }
    assert heat["view"].temperature == heat["stay"].temperature == 0.2
    assert heat["publish"].temperature == heat["summary"].temperature == 0.7
