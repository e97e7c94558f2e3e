"""Regenerate: have the archived weights draw an essay again, from the record alone, and compare."""

from typing import Literal

from attrs import frozen

from emeritus import column
from emeritus.core.errors import Conflict, NotFound
from emeritus.core.speech import EngineBuild, Utterance
from emeritus.process.ports import Parts
from emeritus.registry import get_model

IDENTICAL, DIFFERS, UNEXPLAINED = 0, 8, 6
"""How the command ends: the same words; others, as another build or machine may draw; others without a reason."""


@frozen
class Regenerated:
    """What came when a draft was drawn again.

    *first* is the place, from 1, of the first *unit* that differs (None: nothing does): a token of the engine, or a
    character where its tokens are not known here. *reasons* say why that can be; none are known when it is empty.
    """

    essay: str
    attempt: int
    utterance: str
    unit: Literal["token", "character"]
    length: int
    first: int | None
    then: EngineBuild
    now: EngineBuild
    reasons: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """How the command ends."""
        if self.first is None:
            return IDENTICAL
        return DIFFERS if self.reasons else UNEXPLAINED

    @property
    def sentence(self) -> str:
        """What it comes to, in a sentence or two."""
        what = f"attempt {self.attempt} of {self.essay}"
        if self.first is None:
            return f"Identical: drawn again, {what} has the same {self.length} {self.unit}s."
        why = " ".join(self.reasons) or (
            "Engine, build and processor features are those of the record, so nothing here explains it."
        )
        return f"It differs from {self.unit} {self.first} of {self.length} on ({what}). {why}"


def regenerate(parts: Parts, essay_id: str, *, attempt: int | None = None) -> Regenerated:
    """Draw a draft of an essay again: the one that counts, or number *attempt*. Nothing is written.

    Raises:
        NotFound: there is no such essay or attempt. Conflict: nobody here has the weights (any more).
        NotSealed: nobody has signed for the draft yet. Unavailable: the engine does not do its work.
    """
    with parts.work() as work:
        essay = column.get_essay(work.log, work.utterances, essay_id)
        model = get_model(work.log, essay.model)
        known = {each.number: each for each in essay.attempts}
        chosen = known.get(essay.attempt.number if attempt is None else attempt)
        if chosen is None:
            raise NotFound(
                f"{essay_id} has no attempt {attempt}.", next_step=f"It has: {', '.join(map(str, known))}."
            )
        said = work.utterances.get(chosen.utterance)
    if not model.held or model.erased is not None:
        where = "were erased, as the law demanded" if model.erased else "are held elsewhere"
        raise Conflict(
            f"The weights of {model.id} {where}, so its words cannot be drawn again here.",
            next_step="Its words and how they came about stay on the record: `emeritus column verify`.",
        )
    again = parts.voices.speaker(model.id).speak(said.prompt, said.sampling, schema=said.schema)
    then, now = _units(parts, said, again)
    unit: Literal["token", "character"] = "character" if isinstance(then, str) else "token"
    shorter = min(len(then), len(now))
    first = next((at for at in range(shorter) if then[at] != now[at]), shorter)
    same = said.text == again.text
    return Regenerated(
        essay=essay_id,
        attempt=chosen.number,
        utterance=chosen.utterance,
        unit=unit,
        length=len(then),
        first=None if same else first + 1,
        then=said.engine,
        now=again.engine,
        reasons=() if same else tuple(_reasons(said, again)),
    )


def _units(
    parts: Parts, said: Utterance, again: Utterance
) -> tuple[tuple[int, ...] | str, tuple[int, ...] | str]:
    then = parts.voices.tokens(said.model, said.text)
    now = parts.voices.tokens(said.model, again.text)
    if then is None or now is None or (tuple(then) == tuple(now) and said.text != again.text):
        return said.text, again.text
    return tuple(then), tuple(now)


def _reasons(said: Utterance, again: Utterance) -> list[str]:
    found = []
    if said.weights != again.weights:
        found.append("The weights are not those that spoke then.")
    if (said.engine.name, said.engine.version) != (again.engine.name, again.engine.version):
        found.append(
            f"It was drawn by {said.engine.name} {said.engine.version} then, and by {again.engine.name} "
            f"{again.engine.version} now: another build may add up numbers in another order."
        )
    if said.engine.system != again.engine.system:
        found.append(
            "The machine is another one, or the engine was built for other processor features: "
            f"{said.engine.system or 'not told'} then, {again.engine.system or 'not told'} now."
        )
    return found
