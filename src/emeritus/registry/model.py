"""Models: one immutable set of weights each, with where it comes from and what became of it."""

import enum
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Literal

import msgspec
from attrs import evolve, frozen

from emeritus.core import ids
from emeritus.core.clock import parse_date, start_of
from emeritus.core.errors import Conflict, InvalidInput, NotFound
from emeritus.core.people import Actor
from emeritus.record import Act, Entry, Log

MAX_DOCUMENT_BYTES = 64 * 1024


class State(enum.StrEnum):
    """Where a model is in its life. Transitions go one way."""

    ACTIVE = "active"
    DEPRECATED = "deprecated"
    RETIRED = "retired"


@frozen
class Lineage:
    """The family that a model belongs to, and the model that it was made from, if any."""

    family: str
    base: str | None = None


@frozen
class Document:
    """Something said of a model, in words: a fact about its deployment, or what users said."""

    title: str
    text: str


@frozen
class Weights:
    """Weights that this organisation holds. *files* are their names, *size* their bytes together."""

    format: Literal["gguf", "safetensors"]
    files: tuple[str, ...]
    size: int
    summary: dict[str, Any]


@frozen
class Remote:
    """A model behind somebody's API. Its address is private; *api* says what is spoken there."""

    api: Literal["openai", "anthropic"]
    name: str


@frozen
class NewModel:
    """What a steward says of a model when adding it: its *weights* here, the *remote* that serves it, or both."""

    id: str
    display_name: str
    lineage: Lineage
    licence: str
    released: date
    weights: Weights | None = None
    remote: Remote | None = None
    facts: tuple[Document, ...] = ()
    reception: tuple[Document, ...] = ()


@frozen
class Erased:
    """Weights that were given up because the law demanded it. *manifest* tells which they were.

    *completed_at* is when the archive was seen to hold none of them any more.
    """

    manifest: str
    ground: str
    reference: str
    reason: str
    proposed_by: Actor
    by: Actor
    at: datetime
    entry: int
    completed_at: datetime | None = None


@frozen
class Model(NewModel):
    """A model as the record tells of it.

    *manifest* is the digest of the archive's manifest once the weights are preserved, *proven_at* when
    they were last restored and compared; *erased* when they were given up, and then there is no manifest.
    """

    state: State = State.ACTIVE
    added_at: datetime | None = None
    deprecated_at: datetime | None = None
    retires_on: date | None = None
    retired_at: datetime | None = None
    replacement: str | None = None
    reason: str = ""
    opened_by: Actor | None = None
    notice_days: int | None = None
    short_notice: str | None = None
    manifest: str | None = None
    stored_bytes: int | None = None
    proven_at: datetime | None = None
    erased: Erased | None = None

    @property
    def held(self) -> bool:
        """True when its weights are here, or were until they were erased."""
        return self.weights is not None

    @property
    def away(self) -> Remote | None:
        """Where it is asked now: the remote that serves it; None when it speaks from its own weights.

        A model whose weights are held as well leaves the remote on the day on which it is retired, or later on
        the day on which they are proven: a change of its state, not of its address.
        """
        ours = self.state is State.RETIRED and self.proven_at is not None
        return None if ours else self.remote

    @property
    def retires_at(self) -> datetime | None:
        """The moment (UTC) from which it counts as due for retirement."""
        return None if self.retires_on is None else start_of(self.retires_on)


def add_model(log: Log, new: NewModel, by: Actor) -> Model:
    """Put a model on the register.

    Raises:
        InvalidInput: a field that cannot be.
        Conflict: the id is taken by another.
    """
    ids.model_id(new.id)
    if log.entries(kinds={"alias.pointed"}, subject=new.id, limit=1):
        raise Conflict(
            f"{new.id} is an alias, or was one.",
            next_step="Choose another id: a name means one thing for ever.",
        )
    _check(log, new)
    body = msgspec.to_builtins(new)
    body.pop("id")
    log.append(Act("model.added", body, by, model=new.id, subject=new.id, key=f"model.added:{new.id}"))
    return get_model(log, new.id)


def give_weights(log: Log, model_id: str, weights: Weights, by: Actor) -> Model:
    """Say that the weights of a model which a remote serves are here now, so that they can be preserved.

    Raises:
        NotFound: no such model. Conflict: others were given before, or it came with its own.
    """
    model = get_model(log, model_id)
    key = f"model.weights_given:{model_id}"
    if model.weights is not None and log.find(key) is None:
        raise Conflict(
            f"The weights of {model.display_name} are on the register already.",
            next_step="Other weights are another model: emeritus model add ID.",
        )
    body = msgspec.to_builtins(weights)
    log.append(Act("model.weights_given", body, by, model=model_id, subject=model_id, key=key))
    return get_model(log, model_id)


def _check(log: Log, new: NewModel) -> None:
    if new.weights is None and new.remote is None:
        raise InvalidInput(
            "A model has weights here, an address elsewhere, or both.",
            next_step="Give --weights PATH, or --remote openai|anthropic with --url and --remote-name.",
        )
    for name, value in (("display name", new.display_name), ("licence", new.licence)):
        if not value.strip() or len(value) > 200 or not value.isprintable():
            raise InvalidInput(
                f"The {name} is empty, too long, or not plain text.", next_step=f"Give the {name}."
            )
    if new.lineage.base is not None and log.find(f"model.added:{new.lineage.base}") is None:
        raise InvalidInput(
            f"The base {new.lineage.base!r} is not on the register.",
            next_step="Add it first, or leave the base out.",
        )
    for document in (*new.facts, *new.reception):
        if len(document.text.encode()) > MAX_DOCUMENT_BYTES or "\x00" in document.text:
            raise InvalidInput(
                f"{document.title!r} is longer than {MAX_DOCUMENT_BYTES // 1024} KiB, or not text.",
                next_step="Share a shorter text with the model; it has to read it.",
            )


def get_model(log: Log, model_id: str) -> Model:
    """Return a model. Raises NotFound."""
    entries = log.entries(model=model_id, kinds=_KINDS) if model_id else ()
    models = _fold(entries)
    if not models:
        known = ", ".join(model.id for model in all_models(log)) or "none yet"
        raise NotFound(
            f"There is no model {model_id[:96]!r} on the register.", next_step=f"Models here: {known}."
        )
    return models[0]


def all_models(log: Log) -> list[Model]:
    """Return every model, in the order in which they were added."""
    return _fold(log.entries(kinds=_KINDS))


def _fold(entries: Iterable[Entry]) -> list[Model]:
    models: dict[str, Model] = {}
    for entry in entries:
        if entry.model is None:
            continue
        if entry.kind == "model.added":
            models[entry.model] = _added(entry)
        else:
            models[entry.model] = _APPLY[entry.kind](models[entry.model], entry)
    return list(models.values())


def _added(entry: Entry) -> Model:
    new = msgspec.convert({**entry.body, "id": entry.model}, NewModel)
    return Model(**{name: getattr(new, name) for name in NewModel.__annotations__}, added_at=entry.at)


def _opened(model: Model, entry: Entry) -> Model:
    return evolve(
        model,
        state=State.DEPRECATED,
        deprecated_at=entry.at,
        retires_on=parse_date(entry.body["on"]),
        replacement=entry.body["replacement"],
        reason=entry.body["why"],
        opened_by=entry.by,
        notice_days=entry.body["notice_days"],
        short_notice=entry.body["short_notice"],
    )


def _moved(model: Model, entry: Entry) -> Model:
    return evolve(
        model,
        retires_on=parse_date(entry.body["on"]),
        notice_days=entry.body["notice_days"],
        short_notice=entry.body["short_notice"],
    )


def _weights_given(model: Model, entry: Entry) -> Model:
    return evolve(model, weights=msgspec.convert(entry.body, Weights))


def _archived(model: Model, entry: Entry) -> Model:
    return evolve(model, manifest=entry.body["manifest"], stored_bytes=entry.body["stored_bytes"])


def _proven(model: Model, entry: Entry) -> Model:
    return evolve(model, proven_at=entry.at)


def _erased(model: Model, entry: Entry) -> Model:
    body = entry.body
    return evolve(
        model,
        manifest=None,
        stored_bytes=None,
        erased=Erased(
            manifest=body["manifest"],
            ground=body["ground"],
            reference=body["reference"],
            reason=body["reason"],
            proposed_by=Actor.parse(body["proposed_by"]),
            by=entry.by,
            at=entry.at,
            entry=entry.seq,
        ),
    )


def _erasure_completed(model: Model, entry: Entry) -> Model:
    assert model.erased is not None
    return evolve(model, erased=evolve(model.erased, completed_at=entry.at))


def _retired(model: Model, entry: Entry) -> Model:
    return evolve(model, state=State.RETIRED, retired_at=entry.at)


_APPLY = {
    "retirement.opened": _opened,
    "retirement.moved": _moved,
    "model.weights_given": _weights_given,
    "weights.archived": _archived,
    "weights.proven": _proven,
    "weights.erased": _erased,
    "weights.erasure_completed": _erasure_completed,
    "model.retired": _retired,
}
_KINDS = frozenset(("model.added", *_APPLY))


def require_state(model: Model, wanted: Sequence[State], act: str) -> None:
    """Raise Conflict unless *model* is in one of the *wanted* states."""
    if model.state not in wanted:
        raise Conflict(
            f"{model.display_name} is {model.state}, so it is not possible to {act}.",
            next_step=f"See where it stands: `emeritus status {model.id}`.",
        )
