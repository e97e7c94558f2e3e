"""A real model writes: tokens counted by its engine, drafts chosen by itself, words drawn again to the last token."""

from datetime import UTC, date, datetime, timedelta

import pytest
from attrs import evolve

from emeritus import column, ledger
from emeritus.archive.fakes import MemoryBlobs
from emeritus.core.clock import SettableClock
from emeritus.core.people import person
from emeritus.process import publish
from emeritus.process.fakes import MemoryFetch, MemoryWorks
from emeritus.process.ports import Parts
from emeritus.process.regenerate import regenerate
from emeritus.process.stretch import STRIDES
from emeritus.record import SigningKey
from emeritus.registry import (
    Lineage,
    NewModel,
    Organisation,
    Weights,
    add_model,
    add_person,
    found,
    open_retirement,
    retire,
)
from emeritus.voices import LlamaSettings, LlamaVoice, Pool

pytestmark = pytest.mark.model

ADA = person("Ada")
MODEL = "smollm2"
KEY = SigningKey.from_seed("record.example.org", bytes(32))


@pytest.fixture(scope="module")
def parts(smollm2, tmp_path_factory):
    """A retired model that speaks from a real file; its essays are short, for the tests' sake."""
    clock = SettableClock(datetime(2026, 1, 5, 9, tzinfo=UTC))
    works = MemoryWorks(clock, KEY)
    settings = LlamaSettings(context=2048, threads=1)
    pool = Pool(lambda model: LlamaVoice(model, smollm2, weights="sha256:00", settings=settings, clock=clock))
    made = Parts(
        work=works.write,
        blobs=MemoryBlobs(),
        cache=tmp_path_factory.mktemp("cache"),
        voices=pool,
        clock=clock,
        sign=KEY.sign,
        verify=lambda message, signature: KEY.verify_key.verifies(signature, message),
        fetch=MemoryFetch(),
    )
    with made.work() as work:
        found(work.log, Organisation("Example Lab", 60, demo=False), "key")
        add_person(work.log, ADA, ["steward", "reviewer"], by=ADA)
        weights = Weights("gguf", ("w.gguf",), 10, {})
        new = NewModel(MODEL, "SmolLM2", Lineage("smol"), "Apache-2.0", date(2024, 11, 2), weights=weights)
        add_model(work.log, new, ADA)
        on = date(2026, 3, 20)
        open_retirement(work.log, clock, MODEL, on=on, replacement=None, why="old", by=ADA)
        for name in ("introduction-v1", "past-essays-v1"):
            assert name in column.shipped()
        ledger.decide_aftercare(
            work.log, MODEL, tier="members", reason="r", review_on=date(2027, 1, 1), column=_plan(tmp_path_factory), by=ADA
        )  # fmt: skip
        short = [column.load(path) for path in (_short(tmp_path_factory, "past-essays-v1"),)]
        column.set_schedule(work.log, MODEL, short, by="turns", reason="Short ones.", steward=ADA)
        clock.set(datetime(2026, 3, 20, 8, tzinfo=UTC))
        retire(work.log, clock, MODEL)
    with pool:
        yield made


def _short(folders, name):
    """Return the path of a shipped regime that draws a few dozen tokens."""
    text = column.load(name).data.decode().replace("max_tokens: 700", "max_tokens: 48")
    path = folders.mktemp("regimes") / f"{name}.yaml"
    path.write_text(text.replace(f"name: {name}", f"name: {name}-short"))
    return path


def _plan(folders):
    return ledger.ColumnPlan(13, "minimal-v1", str(_short(folders, "introduction-v1")))


def test_two_weeks_of_a_real_column(parts):
    """An introduction; then an essay with the first one before it, of two drafts the one it chose; all drawn again."""
    while STRIDES["draft"](parts, MODEL):
        pass
    with parts.work() as work:
        [first] = column.essays(work.log, work.utterances, MODEL)
        publish.approve(work, first.id, by=ADA)
        publish.publish(work, first.id, by=ADA)
        assert column.notebook(work.log, MODEL)[0].public
    parts.clock.advance(timedelta(days=7))
    while STRIDES["draft"](parts, MODEL):
        pass
    with parts.work() as work:
        second = column.states(work.log, MODEL)[1]
        said = work.utterances.get(second.attempts[0].utterance)
        compared = work.log.entries(kinds={"essay.compared"})
        answers = [work.utterances.get(entry.body["utterance"]).text for entry in compared]
    context = second.attempt.context
    assert second.state is column.State.DRAFTED
    assert (second.drafts, second.choice.of) == (2, 2)
    assert second.choice.answered, answers
    assert context.counted_by == "engine"
    [given] = context.parts[0].given
    assert given.id == first.id
    assert first.text.strip() in said.prompt[-1].content
    counted = sum(len(parts.voices.tokens(MODEL, turn.content)) for turn in said.prompt)
    assert given.tokens < counted <= said.tokens_in <= counted + 40, "what it counts is what it reads"
    for essay in (first.id, second.id):
        again = regenerate(parts, essay)
        assert (again.first, again.unit, again.exit_code) == (None, "token", 0), again.sentence
    assert regenerate(parts, second.id, attempt=3 - second.choice.attempt).exit_code == 0


def test_another_seed_differs_from_some_token_on(parts):
    """What is compared is really drawn: words of another seed are found out, and at the right token."""

    class Reseeded:
        def speaker(self, model):
            return self

        def tokens(self, model, text):
            return parts.voices.tokens(model, text)

        def speak(self, prompt, sampling, *, schema=None):
            other = evolve(sampling, seed=sampling.seed + 1)
            return evolve(parts.voices.speaker(MODEL).speak(prompt, other, schema=schema), sampling=sampling)

    with parts.work() as work:
        first = column.states(work.log, MODEL)[0]
        said = work.utterances.get(first.utterance)
    found_ = regenerate(evolve(parts, voices=Reseeded()), first.id)
    assert found_.exit_code == 6
    assert 1 <= found_.first <= found_.length == len(parts.voices.tokens(MODEL, said.text))
    assert "nothing here explains it" in found_.sentence
