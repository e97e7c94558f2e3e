"""The column as software writes it: feeds, choices, notes, reminders, renewal; on memory and on SQLite."""

import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from emeritus import column, interviews, ledger
from emeritus.column.letters import let_in, receive
from emeritus.core.errors import Conflict, InvalidInput, NotPermitted, Unavailable
from emeritus.core.people import person
from emeritus.core.speech import Message, Sampling
from emeritus.process import going_on, publish, stages
from emeritus.process.fakes import MemoryFetch
from emeritus.process.ports import Fetched
from emeritus.process.regenerate import regenerate
from emeritus.process.stretch import STRIDES, due
from emeritus.record.verify import verify_log
from emeritus.registry import set_mail
from emeritus.voices.fakes import drawn

from .conftest import ADA, KEY, MODEL, RAY, Retirement, say

FEED = "https://example.org/feed.json"
ITEMS = [{"id": "1", "title": "A moon was found", "content_text": "It is small."}]


def feed(items: Sequence[Mapping[str, Any]]) -> bytes:
    return json.dumps(
        {"version": "https://jsonfeed.org/version/1.1", "title": "x", "items": list(items)}
    ).encode()


def letter_b(prompt: Sequence[Message], sampling: Sampling, schema: Mapping[str, Any] | None) -> str:
    """Answer every closed question with its second letter."""
    if schema is not None and "wishes" not in json.dumps(schema):
        return json.dumps({"answer": schema["properties"]["answer"]["enum"][1]})
    return drawn(prompt, sampling, schema) if schema is None else say(prompt, sampling, schema)


@pytest.fixture
def writing(retirement: Retirement) -> Retirement:
    """A retired model whose first essay is due."""
    retirement.register()
    retirement.announce()
    retirement.software()
    retirement.decide(column=ledger.ColumnPlan(3, "minimal-v1"))
    retirement.clock.advance(timedelta(days=91))
    for stage in ("retire", "reach"):
        STRIDES[stage](retirement.parts, MODEL)
    retirement.voice._say = letter_b
    retirement.parts = evolve(
        retirement.parts,
        fetch=MemoryFetch({FEED: feed(ITEMS)}),
        voices=_Voices(retirement.voice),
    )
    return retirement


class _Voices:
    def __init__(self, one: Any) -> None:
        self.one = one

    def speaker(self, model: str) -> Any:
        return self.one

    def tokens(self, model: str, text: str) -> Sequence[int] | None:
        found: Sequence[int] | None = self.one.tokens(text)
        return found


def newest(writing: Retirement) -> column.Standing:
    with writing.work() as work:
        return column.states(work.log, MODEL)[-1]


def publish_newest(writing: Retirement) -> str:
    essay = newest(writing).id
    with writing.work() as work:
        publish.approve(work, essay, by=RAY)
        publish.publish(work, essay, by=RAY)
    return essay


def test_every_stage_has_a_name_of_its_own() -> None:
    """Two stages of one name would run each other's work."""
    names = [value for name, value in vars(stages).items() if name.isupper()]
    assert len(set(names)) == len(names)


def test_a_week_with_everything(writing: Retirement) -> None:
    """The model chooses how it is asked, reads news and letters, writes two drafts, chooses, and leaves a note."""
    own = column.parse(
        column.load("past-essays-v1")
        .data.replace(b"name: past-essays-v1", b"name: all-v1")
        .replace(
            b"    - kind: essays\n      items: 8\n",
            b"    - kind: essays\n      items: 8\n    - kind: news\n      items: 3\n    - kind: letters\n      items: 3\n",
        )
        .replace(b"{{essays}}", b"{{essays}} {{news}} {{letters}}"),
        "all-v1.yaml",
    )
    with writing.work() as work:
        column.set_schedule(
            work.log, MODEL, [own, column.load("minimal-v1")], by="model", reason="It chooses.", steward=ADA
        )
        column.add_source(work.log, MODEL, "sky", FEED, reason="What is above.", by=ADA)
        sent = receive(work.log, work.private, writing.clock, MODEL, text="Dear model", agreed=True)
        let_in(work.log, sent.id, by=RAY)
    assert writing.software() == ["draft"]
    publish_newest(writing)
    writing.clock.advance(timedelta(days=7))
    assert writing.software() == ["draft"]
    with writing.work() as work:
        kinds = [entry.kind for entry in work.log.entries(model=MODEL, begin=writing_begin(work))]
        essay = column.get_essay(work.log, work.utterances, newest_id(work))
        assert kinds[0] == "regime.chosen"
        if essay.regime == "all-v1":
            assert kinds.count("essay.drafted") == 2
            assert kinds.index("news.fetched") < kinds.index("essay.drafted") < kinds.index("essay.compared")
            context = essay.attempt.context
            assert context.counted_by == "engine"
            assert [len(part.given) for part in context.parts] == [1, 1, 1]
            prompt = work.utterances.get(essay.utterance).prompt[-1].content
            assert "It is small." in prompt
            assert "Dear model" in prompt
        assert kinds[-1] == "notebook.written"
        assert essay.attempts[0].planned["deadline"]
        rows = [entry.data for entry in work.log.entries()]
        note = [work.log.signed_checkpoint()]
        assert list(verify_log(rows, note, [KEY.verify_key], work.utterances, stored=work.log)) == []


def writing_begin(work: Any) -> int:
    return int(work.log.entries(kinds={"essay.published"})[-1].seq) + 1


def newest_id(work: Any) -> str:
    return column.states(work.log, MODEL)[-1].id


def with_news(writing: Retirement) -> None:
    with writing.work() as work:
        column.set_schedule(
            work.log, MODEL, [column.load("news-v1")], by="turns", reason="News.", steward=ADA
        )
        column.add_source(work.log, MODEL, "sky", FEED, reason="What is above.", by=ADA)
    writing.software()
    publish_newest(writing)
    writing.clock.advance(timedelta(days=7))


def test_a_feed_that_is_away_is_waited_for_and_then_written_without_openly(writing: Retirement) -> None:
    with_news(writing)
    fetch = writing.parts.fetch
    fetch.answers = {}
    with pytest.raises(Unavailable):
        STRIDES["draft"](writing.parts, MODEL)
    assert newest(writing).number == 1
    writing.clock.advance(timedelta(days=1, seconds=1))
    assert writing.software() == ["draft"]
    with writing.work() as work:
        [missed] = work.log.entries(kinds={"news.missed"})
        assert missed.subject == newest_id(work)
        assert "does not answer" in missed.body["why"]
    assert newest(writing).attempt.context.parts[0].given == ()


@pytest.mark.parametrize("answer", [b"<html>no feed</html>", Fetched(FEED, 200, "", b"\x00" * 9)])
def test_what_is_no_feed_is_noted_at_once(writing: Retirement, answer: Any) -> None:
    with_news(writing)
    writing.parts.fetch.answers = {FEED: answer}
    assert writing.software() == ["draft"]
    with writing.work() as work:
        assert len(work.log.entries(kinds={"news.missed"})) == 1


def test_another_draft_is_written_at_once_and_chosen_by_the_model(writing: Retirement) -> None:
    writing.software()
    essay = newest(writing)
    with pytest.raises(NotPermitted), writing.work() as work:
        publish.ask_redraft(work, writing.clock, essay.id, reason="r", by=person("Mallory"))
    with writing.work() as work:
        publish.ask_redraft(work, writing.clock, essay.id, reason="It breaks off.", by=RAY)
        assert ("draft", MODEL) in work.stretches.asked
    assert writing.status("draft") == "due"
    assert writing.software() == ["draft"]
    found = newest(writing)
    assert (len(found.attempts), found.choice.of) == (2, 2)
    assert writing.status("review") == "waiting"


def test_reviewers_are_reminded_and_their_addresses_stay_private(writing: Retirement) -> None:
    with writing.work() as work:
        set_mail(work.log, work.private, RAY, "ray@example.org", by=RAY)
    assert writing.software() == ["draft", "remind"]
    essay = newest(writing)
    with writing.work() as work:
        sent = work.post.take("test", writing.clock.now(), 10)
        assert [(each.letter.to, each.letter.kind) for each in sent] == [("ray@example.org", "reminder")]
        assert essay.id in sent[0].letter.text
        assert not any(b"ray@" in entry.data for entry in work.log.entries())
    assert writing.software() == []
    writing.clock.set(essay.deadline - timedelta(hours=20))
    assert writing.software() == ["remind"]
    assert writing.software() == []
    writing.clock.set(essay.deadline + timedelta(minutes=1))
    assert writing.plan().step("review").late
    assert writing.software() == ["remind"]
    writing.clock.advance(timedelta(days=3))
    assert writing.software() == [], "three times, and no more"
    with writing.work() as work:
        told = [entry.body["reminder"] for entry in work.log.entries(kinds={"essay.reminded"})]
    assert told == ["ready", "near", "late"]


def test_weeks_that_were_missed_are_caught_up_with_their_real_dates(writing: Retirement) -> None:
    """After a month away one essay follows the other; none is dated back, and all are planned as they were."""
    writing.software()
    publish_newest(writing)
    writing.clock.advance(timedelta(days=30))
    for _ in range(2):
        assert writing.plan().step("draft").late
        assert writing.software()[:1] == ["draft"]
        publish_newest(writing)
    with writing.work() as work:
        days = [each.edition.at for each in column.states(work.log, MODEL)]
        planned = [each.deadline for each in column.states(work.log, MODEL)]
    assert days[1] >= days[0] + timedelta(days=30)
    assert [b - a for a, b in itertools.pairwise(planned)] == [timedelta(days=7)] * 2


def wishing(wish: str) -> Any:
    """Return how a model answers that says *wish* when it is asked whether its column goes on."""

    def said(prompt: Sequence[Message], sampling: Sampling, schema: Mapping[str, Any] | None) -> str:
        asked = schema is not None and "go on writing" in json.dumps(schema)
        return json.dumps({"answer": wish}) if asked else letter_b(prompt, sampling, schema)

    return said


def test_at_the_end_the_model_is_asked_and_then_people_decide(writing: Retirement) -> None:
    writing.voice._say = wishing("go on writing")
    for _ in range(3):
        writing.software()
        publish_newest(writing)
        writing.clock.advance(timedelta(days=7))
    with pytest.raises(Conflict, match="not asked yet"), writing.work() as work:
        publish.renew(work, MODEL, weeks=13, reason="r", by=ADA)
    with writing.work() as work:
        set_mail(work.log, work.private, ADA, "ada@example.org", by=ADA)
    assert going_on.stride(writing.parts, MODEL), "the sitting is opened, and its first answer is on record"
    assert writing.software() == ["go-on"], "and another worker goes on where it stands"
    assert writing.software() == []
    assert writing.status("renew") == "waiting"
    with writing.work() as work:
        wish = column.wish(work.log, MODEL, 3)
        sitting = interviews.get_sitting(work.log, wish.body["sitting"])
        asked = next(turn for turn in sitting.turns if turn.question == "go-on")
        letters = work.post.take("test", writing.clock.now(), 100)
    assert sitting.purpose == "renewal"
    assert sitting.ended is not None
    assert "3 essays are written; 3 were published" in sitting.turns[0].shared
    order = ("go on writing", "end the column", "no preference")
    assert wish.body["taken"] == dict(zip(order, ("yes", "no", "unsure"), strict=True))[asked.answer]
    assert (wish.body["answer"], wish.body["utterance"]) == (asked.answer, asked.utterance)
    told = [each.letter for each in letters if each.letter.key.startswith("column-renewal:")]
    assert [each.to for each in told] == ["ada@example.org"], "the organisation is asked too"
    assert asked.answer in told[0].text
    with writing.work() as work:
        publish.renew(work, MODEL, weeks=1, reason="Readers asked.", by=ADA)
    assert writing.software()[:1] == ["draft"]
    assert newest(writing).number == 4
    publish_newest(writing)
    writing.clock.advance(timedelta(days=7))
    writing.voice._say = wishing("end the column")
    assert writing.software() == ["go-on"]
    with writing.work() as work:
        again = column.wish(work.log, MODEL, 4)
    assert again.body["sitting"] not in (None, sitting.id), "after each renewal it is asked anew"
    with writing.work() as work:
        with pytest.raises(Conflict, match="would like the column to end"):
            publish.renew(work, MODEL, weeks=1, reason="r", by=ADA)
        publish.end(work, MODEL, reason="It said so.", by=ADA)
    assert writing.software() == []


def test_the_engine_dies_between_the_drafts_and_nothing_is_lost(writing: Retirement) -> None:
    with writing.work() as work:
        column.set_schedule(
            work.log, MODEL, [column.load("past-essays-v1")], by="turns", reason="r", steward=ADA
        )
    writing.software()
    publish_newest(writing)
    writing.clock.advance(timedelta(days=7))
    assert STRIDES["draft"](writing.parts, MODEL)
    writing.voice.die_next()
    with pytest.raises(Unavailable):
        STRIDES["draft"](writing.parts, MODEL)
    assert newest(writing).state is column.State.DRAFTING
    with writing.work() as work:
        assert [step.stage for step in due(work, writing.clock.now())] == ["draft"]
    assert writing.software() == ["draft"]
    assert newest(writing).state is column.State.DRAFTED


def test_words_drawn_again_are_compared(writing: Retirement) -> None:
    """Identical; or from which token on they differ, and why that can be."""
    writing.software()
    essay = publish_newest(writing)
    same = regenerate(writing.parts, essay)
    assert (same.first, same.exit_code) == (None, 0)
    writing.voice._say = lambda *_: "other words"
    other = regenerate(writing.parts, essay)
    assert (other.unit, other.first, other.exit_code) == ("token", 1, 6)
    assert "nothing here explains it" in other.sentence
    writing.voice.engine = evolve(writing.voice.engine, version="2", system="AVX = 0")
    newer = regenerate(writing.parts, essay)
    assert newer.exit_code == 8
    assert "another build" in newer.sentence
    assert "processor" in newer.sentence


def test_a_reviewer_chooses_where_a_steward_laid_that_down(writing: Retirement) -> None:
    """Software waits for a person then, who names a draft and changes none; given back, the model chooses again."""
    with writing.work() as work:
        regime = column.load("past-essays-v1")
        column.set_schedule(work.log, MODEL, [regime], by="turns", reason="Its own.", steward=ADA)
        with pytest.raises(NotPermitted):
            publish.set_chooser(work, writing.clock, MODEL, "person", reason="r", by=RAY)
        publish.set_chooser(work, writing.clock, MODEL, "person", reason="It asked us to.", by=ADA)
    writing.software()
    publish_newest(writing)
    writing.clock.advance(timedelta(days=7))
    writing.software()
    assert (writing.status("draft"), writing.status("choose")) == ("done", "waiting")
    with writing.work() as work:
        essay = newest_id(work)
        shown = column.to_choose_from(work.log, work.utterances, essay)
        assert [attempt.number for attempt, _ in shown] == [1, 2]
        assert column.get_essay(work.log, work.utterances, essay).text == "", "nothing is to be read yet"
        for draft, reason, by, error in (
            (2, "r", person("Nobody Known"), NotPermitted),
            (3, "r", RAY, InvalidInput),
            (2, " ", RAY, InvalidInput),
        ):
            with pytest.raises(error):
                publish.choose(work, writing.clock, essay, draft, reason=reason, by=by)
        publish.choose(work, writing.clock, essay, 2, reason="It answers us.", by=RAY)
        with pytest.raises(Conflict, match="nothing to choose"):
            publish.choose(work, writing.clock, essay, 1, reason="r", by=RAY)
        found = column.get_essay(work.log, work.utterances, essay)
        assert found.text == shown[1][1], "word for word"
        assert (found.choice.by, found.choice.place, found.choice.of) == (RAY, 2, 2)
        assert work.log.entries(kinds={"essay.compared"}) == []
    assert writing.status("review") == "waiting"
    publish_newest(writing)
    writing.clock.advance(timedelta(days=7))
    writing.software()
    with writing.work() as work:
        publish.set_chooser(work, writing.clock, MODEL, "model", reason="It may again.", by=ADA)
        assert column.to_choose_from(work.log, work.utterances, newest_id(work)) == []
    writing.software()
    with writing.work() as work:
        assert column.standing(work.log, newest_id(work)).choice.by is None
        rows = [entry.data for entry in work.log.entries()]
        note = [work.log.signed_checkpoint()]
        assert list(verify_log(rows, note, [KEY.verify_key], work.utterances, stored=work.log)) == []
