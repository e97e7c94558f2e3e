"""Register: a model is added, its weights looked at before anything is written."""

from pathlib import Path

from attrs import asdict, evolve

from emeritus import archive
from emeritus.core import ids
from emeritus.core.errors import InvalidInput
from emeritus.core.people import Actor, require_person
from emeritus.process.ports import Work
from emeritus.process.preserve import keep_source
from emeritus.registry import Model, NewModel, Weights, add_model, give_weights
from emeritus.registry.organisation import acting
from emeritus.voices.address import checked_url


def register(
    work: Work, new: NewModel, *, path: Path | None, url: str | None, key_env: str, by: Actor
) -> Model:
    """Put a model on the register: one with weights at *path*, one behind the API at *url*, or both.

    With both, the remote serves it until it is retired.

    Raises:
        InvalidInput: broken weights (`emeritus.archive.SourceRefused`), a bad address, a bad field.
        Conflict: another model has that id.
        NotPermitted: *by* is no steward.
    """
    acting(work.log, require_person(by, "add a model"), "steward", "add a model")
    ids.model_id(new.id)
    if path is not None:
        new = evolve(new, weights=_look_at(path))
    model = add_model(work.log, new, by)
    if path is not None:
        keep_source(work, new.id, path)
    if new.remote is not None:
        if not url:
            raise InvalidInput("A remote model needs its address.", next_step="Give it: --url https://….")
        work.private.put(f"remote:{new.id}", {"base_url": checked_url(url), "key_env": key_env})
    return model


def hand_over(work: Work, model_id: str, path: Path, *, by: Actor) -> Model:
    """Put on the register that the weights of a model which a remote serves lie at *path*.

    From then on its retirement preserves them, and once it is retired it speaks from them.

    Raises:
        NotFound: no such model. InvalidInput: broken weights (`emeritus.archive.SourceRefused`).
        Conflict: its weights are on the register already. NotPermitted: *by* is no steward.
    """
    acting(work.log, require_person(by, "hand over weights"), "steward", "hand over weights")
    model = give_weights(work.log, model_id, _look_at(path), by)
    keep_source(work, model_id, path)
    return model


def _look_at(path: Path) -> Weights:
    source = archive.inspect(path)
    summary = {name: value for name, value in asdict(source.summary).items() if isinstance(value, str | int)}
    return Weights(
        format="gguf" if source.summary.container == "gguf" else "safetensors",
        files=tuple(file.name for file in source.files),
        size=source.size,
        summary=summary,
    )
