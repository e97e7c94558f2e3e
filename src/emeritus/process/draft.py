"""Draft: software has the model write the essay that is due; one stride asks it one thing, or fetches one feed.

In order: how it wants to be prompted, where that is left to it; what there is to read; the drafts; which of them
is published, where there are several; a note for its notebook.
"""

from contextlib import suppress
from datetime import timedelta

from attrs import frozen

from emeritus import column, ledger
from emeritus.column import Counter, DraftRequest, NoteRequest, Question, Regime, Source
from emeritus.core.errors import Conflict, EmeritusError, InvalidInput, Unavailable
from emeritus.core.speech import Utterance
from emeritus.process.plan import plan
from emeritus.process.ports import Parts, Work
from emeritus.process.stages import DRAFT
from emeritus.process.weeks import unfinished, week_of
from emeritus.registry import Model

PATIENCE = timedelta(days=1)
"""So long a feed that does not answer is asked again before an essay is written without it."""


@frozen
class Read:
    """Fetch *source*, for essay *number*. *patient*: it may still be asked again later."""

    source: Source
    number: int
    patient: bool


@frozen
class Write:
    """Write essay *number* by *regime*, which has to read first."""

    model: Model
    regime: Regime
    number: int


Next = Question | DraftRequest | NoteRequest | Read | Write


def stride(parts: Parts, model_id: str) -> bool:
    """Do the next thing for the essay that is due, if one is; tell whether more is to come."""
    with parts.work() as work:
        step = _next(work, parts, model_id)
    if isinstance(step, Write):
        step = _with_context(parts, step)
    match step:
        case None:
            return False
        case Read():
            _read(parts, model_id, step)
        case _:
            ask(parts, model_id, step)
    return True


def ask(parts: Parts, model_id: str, step: Question | DraftRequest | NoteRequest) -> None:
    """Have the model answer, and put on record what came."""
    what = {DraftRequest: "essay", NoteRequest: "note"}.get(type(step), "choice")
    done = step.attempt - 1 if isinstance(step, DraftRequest | Question) else 0
    parts.watch(DRAFT, model_id, done, done + 1, what)
    schema = step.schema if isinstance(step, Question) else None
    said = parts.voices.speaker(model_id).speak(step.prompt, step.sampling, schema=schema)
    # A worker that was thought dead may have been quicker: what it had said stands, and this is not kept.
    with suppress(Conflict), parts.work() as work:
        _record(work, step, said)


def _record(work: Work, step: Question | DraftRequest | NoteRequest, said: Utterance) -> None:
    match step:
        case Question():
            column.record_answer(work.log, work.utterances, step, said)
        case DraftRequest():
            column.record_draft(work.log, work.utterances, step, said)
        case NoteRequest():
            column.record_note(work.log, work.utterances, step, said)


def _next(work: Work, parts: Parts, model_id: str) -> Next | None:
    here = plan(work.log, model_id, parts.clock.now())
    aftercare = ledger.aftercare(work.log, model_id)
    if here.step(DRAFT).status != "due" or aftercare is None or aftercare.column is None:
        return None
    drafted = column.states(work.log, model_id)
    if drafted and unfinished(work.log, aftercare.column, drafted[-1]):
        return _finish(work, here.model, drafted[-1])
    number = len(drafted) + 1
    found = column.scheduled(work.log, here.model, number)
    if isinstance(found, Question):
        return found
    regime = found or column.load(aftercare.column.regime_of(number))
    if regime.reads("news") and (waiting := column.unasked(work.log, model_id, number)):
        opened = here.step(DRAFT).when
        patient = opened is None or parts.clock.now() < opened + PATIENCE
        return Read(waiting[0], number, patient)
    return Write(here.model, regime, number)


def _finish(work: Work, model: Model, essay: column.Standing) -> Next | None:
    regime = column.regime_adopted(work.log, essay.regime, essay.attempt.regime_digest)
    if regime is not None and column.wants_more(regime, essay):
        return Write(model, regime, essay.number)
    choice = column.next_choice(work.log, work.utterances, essay)
    return choice or column.next_note(work.log, work.utterances, model, essay)


def _with_context(parts: Parts, step: Write) -> DraftRequest | None:
    """Return what to say. Tokens are counted by the engine, outside of any unit of work."""
    with parts.work() as work:
        found = column.materials(
            work.log,
            work.utterances,
            work.documents,
            work.private,
            model=step.model.id,
            number=step.number,
            regime=step.regime,
        )
    counter = Counter(lambda text: parts.voices.tokens(step.model.id, text))
    given = column.fitted(step.regime.context, found, counter) if step.regime.context else None
    with parts.work() as work:
        begin = work.log.find(f"model.retired:{step.model.id}")
        assert begin is not None
        week = week_of(work.log, step.model.id, step.number, begin.at)
        return column.next_draft(
            work.log, step.model, step.regime, step.number, given=given, planned=week.to_json()
        )


def _read(parts: Parts, model_id: str, step: Read) -> None:
    """Fetch a feed and keep what came; what cannot be had is noted, once there was time to try again."""
    parts.watch(DRAFT, model_id, 0, 1, step.source.name)
    try:
        answer = parts.fetch.get(
            step.source.url,
            accept="application/atom+xml, application/rss+xml, application/feed+json, */*;q=0.5",
        )
        if not answer.ok:
            raise Unavailable(
                f"{step.source.url[:200]} answers with status {answer.status}.",
                next_step="Look whether the feed has moved.",
            )
        with parts.work() as work:
            column.record_fetched(
                work.log,
                work.documents,
                model_id,
                step.number,
                step.source,
                url=answer.url,
                data=answer.data,
            )
    except InvalidInput as why:
        _miss(parts, model_id, step, why)
    except EmeritusError as why:
        if step.patient and isinstance(why, Unavailable):
            raise
        _miss(parts, model_id, step, why)


def _miss(parts: Parts, model_id: str, step: Read, why: EmeritusError) -> None:
    with parts.work() as work:
        column.record_missed(work.log, model_id, step.number, step.source, why.sentence)
