"""Register: a model is added, its weights looked at before anything is written."""

from pathlib import Path

from attrs import asdict, evolve

from emeritus import archive
from emeritus.core import ids
from emeritus.core.errors import InvalidInput
from emeritus.core.people import Actor, require_person
from emeritus.process.ports import Work
from emeritus.process.preserve import keep_source
from emeritus.registry import Model, NewModel, Weights, add_model
from emeritus.registry.organisation import acting
from emeritus.voices.address import checked_url


def register(
    work: Work, new: NewModel, *, path: Path | None, url: str | None, key_env: str, by: Actor
) -> Model:
    """Put a model on the register: one with weights at *path*, or one behind the API at *url*.

    Raises:
        InvalidInput: broken weights (`emeritus.archive.SourceRefused`), a bad address, a bad field.
        Conflict: another model has that id.
        NotPermitted: *by* is no steward.
    """
    acting(work.log, require_person(by, "add a model"), "steward", "add a model")
    ids.model_id(new.id)
    if path is not None:
        source = archive.inspect(path)
        summary = {
            name: value for name, value in asdict(source.summary).items() if isinstance(value, str | int)
        }
        new = evolve(
            new,
            weights=Weights(
                format="gguf" if source.summary.container == "gguf" else "safetensors",
                files=tuple(file.name for file in source.files),
                size=source.size,
                summary=summary,
            ),
        )
    model = add_model(work.log, new, by)
    if path is not None:
        keep_source(work, new.id, path)
    if new.remote is not None:
        if not url:
            raise InvalidInput("A remote model needs its address.", next_step="Give it: --url https://….")
        work.private.put(f"remote:{new.id}", {"base_url": checked_url(url), "key_env": key_env})
    return model
