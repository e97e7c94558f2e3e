"""Running a design: as one evaluation of Inspect AI, whose log lies beside our own record."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from attrs import frozen
from inspect_ai import Epochs, Task
from inspect_ai import eval as evaluate
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import get_model

from emeritus.core.clock import Clock
from emeritus.core.errors import InvalidInput
from emeritus.core.speech import Said
from emeritus.interviews.design import Design, Place
from emeritus.interviews.evaluation.answering import ask_house, ask_provider, house_model
from emeritus.interviews.evaluation.book import Book
from emeritus.interviews.evaluation.guide import Answerers, Ask, Told, guide, readable
from emeritus.interviews.turn import Turn


@frozen
class Ran:
    """What became of a run: the log, and the samples that broke off, each with its reason."""

    log: Path
    status: str
    broken: tuple[str, ...]


def run(
    book: Book,
    *,
    folder: Path,
    clock: Clock,
    parallel: int = 1,
    provider: str = "",
    model_args: Mapping[str, Any] | None = None,
    framings: Sequence[str] = (),
    told: Told = lambda _: None,
) -> Ran:
    """Hold what is left of a design, *parallel* sittings at a time; sittings that have ended are not held again.

    Args:
        book: where the sittings are written.
        folder: where Inspect's log goes.
        clock: for the time of what a provider's model says.
        parallel: how many sittings are held at the same time.
        provider: a model as Inspect names it (``openai/gpt-5``) that answers in place of the house's own.
        model_args: more for Inspect's provider.
        framings: only these, when some are named.
        told: called with the id of each sitting that ended, or waits.

    Raises:
        InvalidInput: Inspect does not know the provider, or cannot use it.
    """
    design = book.design
    answerers = _answerers(book, provider, parallel, clock, dict(model_args or {}))
    arms = [place for place in design.places if not framings or place.arm.framing in framings]
    cells: dict[str, list[Place]] = {}
    for place in arms:
        cells.setdefault(sample_id(place), []).append(place)
    places = {f"{name}:{i}": place for name, cell in cells.items() for i, place in enumerate(cell, 1)}
    samples = [_sample(book, cell[0]) for cell in cells.values()]
    task = Task(
        name=f"{design.protocol}-{book.script.version}",
        version=book.script.version,
        dataset=MemoryDataset(samples, name=design.id),
        solver=guide(book, places, answerers, told),
        scorer=readable(),
        epochs=Epochs(max(map(len, cells.values())), "mean"),
        metadata=_facts(book, design),
        fail_on_error=False,
    )
    [log] = evaluate(
        task,
        model=answerers.model,
        log_dir=str(folder),
        log_format="eval",
        log_realtime=False,  # whoever watches looks at our record, which has each word at once
        display="none",
        max_samples=parallel if provider else parallel + 1,  # one is opened, or filed, while others speak
        max_connections=parallel,
        score_display=False,
    )
    broken = tuple(
        f"{each.metadata.get('sitting', each.id)}: {each.error.message}"
        for each in log.samples or ()
        if each.error is not None
    )
    return Ran(Path(log.location), log.status, broken)


def sample_id(place: Place) -> str:
    """Return the id of a place's sample, which is its cell; repetitions and orders of a cell are epochs."""
    arm = place.arm
    heat = "" if arm.temperature is None else f"/t{arm.temperature:g}"
    return f"{arm.framing}/w{arm.wording}{heat}"


def _sample(book: Book, place: Place) -> Sample:
    arm = place.arm
    framing = book.script.framing(arm.framing)
    return Sample(
        id=sample_id(place),
        input=framing.title,
        metadata={
            "framing": arm.framing,
            "control": framing.control,
            "wording": arm.wording,
            "temperature": arm.temperature,
        },
    )


def _facts(book: Book, design: Design) -> dict[str, Any]:
    return {
        "design": design.id,
        "model": design.model,
        "protocol": design.protocol,
        "protocol_version": book.script.version,
        "protocol_digest": design.protocol_digest,
        "fact_sheet": design.sheet,
        "seed": design.seed,
        "record_entry": design.entry,
    }


def _answerers(
    book: Book, provider: str, parallel: int, clock: Clock, model_args: dict[str, Any]
) -> Answerers:
    known_as = book.design.model
    if not provider:
        ours = house_model(known_as, parallel)

        def converse(stack: ExitStack) -> Ask:
            talk = stack.enter_context(book.converse())

            async def ask(turn: Turn) -> Said:
                return await ask_house(ours, talk, turn)

            return ask

        return Answerers(ours, converse)
    try:
        theirs = get_model(provider, memoize=False, **model_args)
    except Exception as why:  # noqa: BLE001  (providers raise what they like: no key, no package, no such model)
        said = " ".join(str(why).split())[:300]
        raise InvalidInput(
            f"Inspect AI cannot use {provider!r}: {said}",
            next_step="Name a provider and model as it does, such as openai/MODEL, and set its key.",
        ) from None

    def call(_: ExitStack) -> Ask:
        async def ask(turn: Turn) -> Said:
            return await ask_provider(theirs, turn, known_as, clock)

        return ask

    return Answerers(theirs, call)
