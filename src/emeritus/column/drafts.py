"""Drafts: what to say to the model for its next essay, and putting on record what came.

The record says how a draft was prompted, and which words came, before any person has read them. Words
come from a model and from nowhere else.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from attrs import asdict, frozen

from emeritus.column.context import Context, Counter, fitted
from emeritus.column.essay import states
from emeritus.column.regime import Regime, parse
from emeritus.column.standing import Standing, State
from emeritus.core.digests import digest
from emeritus.core.errors import Conflict, InvalidInput
from emeritus.core.people import SOFTWARE
from emeritus.core.speech import Message, Sampling, Utterance, Utterances
from emeritus.record import Act, Entry, Log
from emeritus.registry import Model, get_model, organisation


@frozen
class DraftRequest:
    """What to say to the model. Give `prompt` and `sampling` to a `Speaker`, unchanged.

    *drafts* is how many drafts with words there are before it, *redrafts* how often a reviewer had asked for
    another. *planned* tells for which day it is written, and goes on record as it is.
    """

    essay: str
    model: str
    number: int
    attempt: int
    regime: Regime
    prompt: tuple[Message, ...]
    sampling: Sampling
    drafts: int = 0
    redrafts: int = 0
    context: Context | None = None
    planned: Mapping[str, Any] | None = None


def next_draft(
    log: Log,
    model: Model,
    regime: Regime,
    number: int,
    *,
    given: tuple[Context, Mapping[str, str]] | None = None,
    planned: Mapping[str, Any] | None = None,
) -> DraftRequest | None:
    """Return what to say for essay *number* (from 1), or None when it is drafted already.

    A model that said nothing, or refused, is asked again with another seed, as often as the regime says; one
    whose regime wants several drafts, or whom a reviewer asked in the open, writes another. Each attempt stands
    on the record.

    Args:
        log: the record.
        model: who writes.
        regime: how it is prompted.
        number: of the essay.
        given: what there is to read, for a regime with a context (see `fitted`); else it reads that there is nothing.
        planned: for which day it is written.

    Raises:
        Conflict: the essay before it was not written yet.
        InvalidInput: *number* is no number of an essay.
    """
    drafted = {each.number: each for each in states(log, model.id)}
    if number < 1 or number > 10_000:
        raise InvalidInput(f"There is no essay number {number}.", next_step="Essays count from 1.")
    if number > 1 and number - 1 not in drafted:
        raise Conflict(
            f"Essay {number - 1} of {model.display_name} comes first.", next_step="Draft them in their order."
        )
    made = drafted.get(number)
    attempt = 1 if made is None else len(made.attempts) + 1
    if made is not None and not wants_more(regime, made):
        return None
    if given is None and regime.context is not None:
        given = fitted(regime.context, {}, Counter(lambda _: None))
    read, texts = given or (None, {})
    sampling = Sampling(seed=derived_seed(model.id, number, attempt), **asdict(regime.speaking))
    return DraftRequest(
        essay=f"{model.id}-essay-{number}",
        model=model.id,
        number=number,
        attempt=attempt,
        regime=regime,
        prompt=regime.prompt({**_values(log, model, number), **texts}),
        sampling=sampling,
        drafts=made.drafts if made else 0,
        redrafts=len(made.redrafts) if made else 0,
        context=read,
        planned=planned,
    )


def wants_more(regime: Regime, essay: Standing) -> bool:
    """Tell whether the model is asked for another draft of *essay*."""
    return essay.state in (State.SILENT, State.DRAFTING) and _more(
        regime, essay.drafts, len(essay.attempts), len(essay.redrafts)
    )


def _more(regime: Regime, drafts: int, attempts: int, redrafts: int) -> bool:
    """Tell whether another attempt follows *attempts*, of which *drafts* gave words."""
    wanted = regime.drafts + redrafts
    return drafts < wanted and attempts < regime.attempts + wanted - 1


def derived_seed(model: str, number: int, attempt: int) -> int:
    """Return a draft's seed: the first 31 bits of SHA-256 over ``model:number:attempt``.

    It is fixed by what the draft is, so that nobody can try seeds until an essay pleases.
    """
    made = hashlib.sha256(f"{model}:{number}:{attempt}".encode()).digest()
    return int.from_bytes(made[:4], "big") >> 1


def _values(log: Log, model: Model, number: int) -> dict[str, str]:
    retired = model.retired_at.date() if model.retired_at else model.retires_on
    return {
        "organisation": organisation(log).name,
        "model_name": model.display_name,
        "model_id": model.id,
        "released": f"{model.released:%d %B %Y}".lstrip("0"),
        "retired": f"{retired:%d %B %Y}".lstrip("0") if retired else "a day that is not set yet",
        "replacement": get_model(log, model.replacement).display_name if model.replacement else "none",
        "essay_number": str(number),
    }


def prompt_digest(prompt: tuple[Message, ...]) -> str:
    """Return the SHA-256 of a prompt's canonical JSON."""
    return digest([asdict(turn) for turn in prompt])


def record_draft(log: Log, utterances: Utterances, request: DraftRequest, utterance: Utterance) -> Entry:
    """Keep the model's words and put the draft on record. The same words again change nothing.

    Raises:
        InvalidInput: these are not words that answer *request*.
        Conflict: other words stand for this attempt; or it is not this attempt's turn.
    """
    asked = (request.model, request.prompt, request.sampling, None)
    if (utterance.model, utterance.prompt, utterance.sampling, utterance.schema) != asked:
        raise InvalidInput(
            f"These words do not answer the prompt of {request.essay}.",
            next_step="Ask for the next draft again, and speak with exactly its prompt and sampling.",
        )
    spoken = bool(utterance.text.strip()) and utterance.finish != "refusal"
    body: dict[str, Any] = {
        "number": request.number,
        "attempt": request.attempt,
        "regime": request.regime.name,
        "regime_digest": request.regime.digest,
        "prompt_digest": prompt_digest(request.prompt),
        "spoken": spoken,
        "finish": utterance.finish,
        "sampling": asdict(utterance.sampling),
        "engine": _engine(utterance),
        "utterance": utterance.id,
        "more": _more(request.regime, request.drafts + spoken, request.attempt, request.redrafts),
        **({} if request.context is None else {"context": request.context.to_json()}),
        **({} if request.planned is None else {"planned": dict(request.planned)}),
    }
    key = f"essay.drafted:{request.essay}:{request.attempt}"
    act = Act("essay.drafted", body, SOFTWARE, request.model, request.essay, key)
    if log.find(key) is not None:
        return log.append(act)  # the entry that stands, or Conflict; other words are not even kept
    _in_turn(request, [each for each in states(log, request.model) if each.id == request.essay])
    adopt(log, request.regime)
    utterances.keep(utterance)
    return log.append(act)


def _engine(utterance: Utterance) -> dict[str, str]:
    """Return the engine's build as it may stand on the record: where a remote is called is nobody's business."""
    build: dict[str, str] = asdict(utterance.engine)
    return build if utterance.weights else {**build, "system": ""}


def _in_turn(request: DraftRequest, made: list[Standing]) -> None:
    attempts = made[0].attempts if made else ()
    if len(attempts) != request.attempt - 1 or (made and made[0].state not in (State.SILENT, State.DRAFTING)):
        raise Conflict(
            f"{request.essay} has moved on since attempt {request.attempt} was asked for.",
            next_step="Ask for the next draft again.",
        )


def regime_adopted(log: Log, name: str, digest: str) -> Regime | None:
    """Return a regime as it came on record: later changes of its file do not touch it. None before that."""
    entry = adopted(log, digest)
    return None if entry is None else parse(entry.body["text"].encode(), f"{name}.yaml")


def adopted(log: Log, digest: str) -> Entry | None:
    """Return the entry with which a regime of that digest came on record, whole."""
    return log.find(f"regime.adopted:{digest}")


def adopt(log: Log, regime: Regime) -> None:
    """Put the regime's whole text on record, once."""
    body = {
        "name": regime.name,
        "title": regime.title,
        "digest": regime.digest,
        "text": regime.data.decode(),
    }
    key = f"regime.adopted:{regime.digest}"
    log.append(Act("regime.adopted", body, SOFTWARE, subject=regime.name, key=key))
