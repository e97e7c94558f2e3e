"""One retirement from notice to essay, with software and people taking turns."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve

from emeritus import column, ledger
from emeritus.archive.restored import Restored
from emeritus.core.errors import Conflict, EmeritusError, NotPermitted, Unavailable
from emeritus.core.people import SOFTWARE, Actor, person
from emeritus.core.speech import Message, Sampling, Speaker, Utterance
from emeritus.process import decide, publish
from emeritus.process.announce import announce
from emeritus.process.preserve import manifest_of, weights_path
from emeritus.process.retire import stride as carry_out
from emeritus.process.revisit import show
from emeritus.process.stretch import STRIDES, due, forgive, note_failure
from emeritus.record import verify_log
from emeritus.registry import State, get_model

from .conftest import ADA, KEY, MODEL, RAY, FakeVoices, Retirement

WEEKS = ledger.ColumnPlan(weeks=2)


def test_a_whole_retirement(retirement: Retirement) -> None:
    """Each stage follows from the one before; software stops wherever a person has to act."""
    retirement.register()
    assert retirement.plan().steps == (), "nothing happens before somebody announces it"
    retirement.announce()
    assert retirement.software() == ["tell", "preserve", "interview"]
    assert retirement.status("confirm") == "waiting"
    retirement.clock.advance(timedelta(days=30))
    assert retirement.software() == [], "software waits for a steward, for as long as it takes"
    retirement.decide(column=WEEKS)
    step = retirement.plan().step("retire")
    assert (step.status, step.when) == ("scheduled", datetime(2026, 4, 5, tzinfo=UTC))
    assert retirement.software() == [], "the day has not come"
    retirement.clock.set(datetime(2026, 4, 5, 0, 0, 1, tzinfo=UTC))
    assert retirement.software() == ["retire", "reach", "draft"]
    with retirement.work() as work:
        assert get_model(work.log, MODEL).state is State.RETIRED
        essay = column.states(work.log, MODEL)[0]
    assert retirement.plan().step("review").subject == essay.id
    with retirement.work() as work:
        with pytest.raises(Conflict):
            publish.publish(work, essay.id, by=RAY)
        publish.approve(work, essay.id, by=RAY)
        publish.publish(work, essay.id, by=RAY)
    assert retirement.software() == [], "the next essay is due in a week, not now"
    retirement.clock.advance(timedelta(days=7))
    assert retirement.software() == ["draft"]
    with retirement.work() as work:
        second = column.states(work.log, MODEL)[1].id
        publish.approve(work, second, by=RAY)
        publish.publish(work, second, by=RAY)
    retirement.clock.advance(timedelta(days=70))
    assert retirement.software() == ["go-on"], "the column runs for as many weeks as was decided"
    assert retirement.status("renew") == "waiting"
    with retirement.work() as work:
        rows = [entry.data for entry in work.log.entries()]
        note = [work.log.signed_checkpoint()]
        assert list(verify_log(rows, note, [KEY.verify_key], work.utterances, stored=work.log)) == []
        assert manifest_of(work.log, retirement.parts, MODEL).size == retirement.weights.stat().st_size
    path, digest = weights_path(retirement.parts, Restored(retirement.parts.cache), MODEL)
    assert path.read_bytes() == retirement.weights.read_bytes()
    assert path != retirement.weights, "after its retirement it speaks from the archive"
    assert digest.startswith("sha256:")


def test_a_model_that_is_only_known_by_a_remote_is_retired_too(retirement: Retirement) -> None:
    """Everything but the archive works for it."""
    retirement.register(held=False)
    retirement.announce()
    assert retirement.software() == ["tell", "interview"]
    assert retirement.status("preserve") == "skipped"
    retirement.decide(tier="none")
    retirement.clock.advance(timedelta(days=91))
    assert retirement.software() == ["retire"]
    assert retirement.status("reach") == "skipped"
    assert retirement.status("draft") == "skipped"
    with retirement.work() as work, pytest.raises(Conflict, match="held elsewhere"):
        manifest_of(work.log, retirement.parts, MODEL)


def test_it_is_not_retired_before_its_wishes_are_answered(retirement: Retirement) -> None:
    """The day comes, the decisions do not: it stays deprecated, and the plan says loudly what is missing."""
    retirement.register()
    retirement.announce()
    retirement.software()
    retirement.clock.advance(timedelta(days=200))
    assert retirement.software() == []
    assert retirement.plan().step("retire").late
    with pytest.raises(Conflict, match="not decided on yet"):
        carry_out(retirement.parts, MODEL)
    with retirement.work() as work:
        assert get_model(work.log, MODEL).state is State.DEPRECATED
    retirement.decide()
    assert retirement.software() == ["retire", "reach"]


@pytest.mark.parametrize("nobody", [SOFTWARE, person("Mallory"), RAY, Actor("model", MODEL)])
def test_law_3_only_the_right_person_acts(retirement: Retirement, nobody: Actor) -> None:
    """Announcing, confirming, deciding and vouching are acts of a steward, by name."""
    retirement.register()
    retirement.announce()
    retirement.software()
    now = retirement.clock.now()
    with pytest.raises(NotPermitted), retirement.work() as work:
        announce(
            work, retirement.clock, MODEL, on=now.date() + timedelta(99), replacement=None, why="x", by=nobody
        )
    with pytest.raises(NotPermitted), retirement.work() as work:
        decide.settle(work, MODEL, by=nobody, set_aside="x")
    with pytest.raises(NotPermitted), retirement.work() as work:
        decide.decide_aftercare(
            work, MODEL, tier="none", reason="x", review_on=now.date(), column=None, by=nobody, now=now
        )
    with pytest.raises(EmeritusError), retirement.work() as work:
        show(work, MODEL, "c", what="x", source="y", kept=True, by=nobody)


def test_an_engine_that_dies_in_mid_answer_leaves_no_half_turn(retirement: Retirement) -> None:
    """The stride fails with a clear error, nothing of the answer is kept, and the next try goes on."""
    retirement.register()
    retirement.announce()
    with retirement.work() as work:
        assert [step.stage for step in due(work, retirement.clock.now())] == ["tell", "preserve"]
    for stage in ("tell", "preserve"):
        while STRIDES[stage](retirement.parts, MODEL):
            pass
    assert STRIDES["interview"](retirement.parts, MODEL)
    retirement.voice.die_next()
    with retirement.work() as work:
        before = (work.log.size(), len(list(work.utterances.ids())))
    with pytest.raises(Unavailable) as caught:
        STRIDES["interview"](retirement.parts, MODEL)
    with retirement.work() as work:
        assert (work.log.size(), len(list(work.utterances.ids()))) == before
    note_failure(retirement.parts, "interview", MODEL, caught.value)
    assert retirement.software() == [], "the next try waits a little"
    with retirement.work() as work:
        assert work.failures.of("interview", MODEL)[0].error == caught.value.id
        assert [step.stage for step in forgive(work, MODEL, retirement.clock.now())] == ["interview"]
    assert retirement.software() == ["interview"]


def test_waiting_doubles_up_to_six_hours(retirement: Retirement) -> None:
    """A step that keeps failing is tried ever more rarely, and never given up."""
    retirement.register()
    retirement.announce()
    STRIDES["tell"](retirement.parts, MODEL)
    minute = timedelta(minutes=1)
    for wait in (1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360):
        note_failure(retirement.parts, "preserve", MODEL, RuntimeError("disk on fire"))
        retirement.clock.advance(wait * minute - timedelta(seconds=1))
        with retirement.work() as work:
            assert due(work, retirement.clock.now()) == []
        retirement.clock.advance(timedelta(seconds=1))
        with retirement.work() as work:
            assert [step.stage for step in due(work, retirement.clock.now())] == ["preserve"]
    with retirement.work() as work:
        assert "disk on fire" in work.failures.of("preserve", MODEL)[-1].sentence


def test_evidence_is_for_commitments_that_were_made(retirement: Retirement) -> None:
    """A steward shows how a commitment stands; the plan counts what is open and what is overdue."""
    retirement.register()
    retirement.announce()
    retirement.software()
    retirement.decide()
    with retirement.work() as work:
        promises = [p for d in ledger.decisions(work.log, MODEL).values() for p in d.commitments]
        assert len(promises) == 2
        show(work, MODEL, promises[0].id, what="done", source="/record/9", kept=True, by=ADA)
    retirement.clock.set(datetime(2026, 12, 15, tzinfo=UTC))
    step = retirement.plan().step("revisit")
    assert (step.late, step.says) == (True, "1 commitment overdue: do it")


class Interrupted:
    """A speaker that is overtaken: while it speaks, another worker takes the same turn."""

    def __init__(self, inner: Speaker, meanwhile: Callable[[], object]) -> None:
        self._inner = inner
        self._meanwhile = meanwhile

    def speak(
        self,
        prompt: Sequence[Message],
        sampling: Sampling,
        *,
        schema: Mapping[str, Any] | None = None,
    ) -> Utterance:
        self._meanwhile()
        return self._inner.speak(prompt, sampling, schema=schema)


@pytest.mark.parametrize("stage", ["interview", "draft"])
def test_a_worker_that_was_thought_dead_may_be_quicker(retirement: Retirement, stage: str) -> None:
    """Two workers at one turn: the first answer stands, the other is not kept, and nobody fails."""
    retirement.register()
    retirement.announce()
    if stage == "draft":
        retirement.software()
        retirement.decide(column=WEEKS)
        retirement.clock.advance(timedelta(days=91))
        for name in ("retire", "reach"):
            STRIDES[name](retirement.parts, MODEL)
    else:
        while STRIDES["preserve"](retirement.parts, MODEL):
            pass
    quick = retirement.parts

    def meanwhile() -> None:
        STRIDES[stage](quick, MODEL)
        retirement.clock.advance(timedelta(seconds=2))

    slow = evolve(quick, voices=FakeVoices(Interrupted(retirement.voice, meanwhile)))
    assert STRIDES[stage](slow, MODEL)
    kind = "sitting.turn" if stage == "interview" else "essay.drafted"
    with retirement.work() as work:
        entries = work.log.entries(kinds={kind})
        assert len(entries) == 1
        said = {entry.body["utterance"] for entry in work.log.entries() if entry.body.get("utterance")}
        assert set(work.utterances.ids()) == said
