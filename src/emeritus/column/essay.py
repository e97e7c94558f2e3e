"""An essay as the record tells of it: folded from its entries, its words read from where they are kept."""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from attrs import evolve, fields, frozen

from emeritus.column.context import Context
from emeritus.column.render import title_of
from emeritus.column.standing import (
    Approval,
    Attempt,
    Beside,
    Choice,
    Edition,
    Hold,
    Redraft,
    Standing,
    State,
    Veto,
)
from emeritus.core.clock import parse_instant
from emeritus.core.errors import Conflict, NotFound
from emeritus.core.speech import Utterances
from emeritus.record import Entry, Log
from emeritus.record.growing import Growing

WORDS_PER_MINUTE = 230
UNREADY = (State.DRAFTING, State.CHOOSING)
_WORD = re.compile(r"[\w'’-]+")
# Scripts that put no space between words (Thai and Lao, kana, Han); a word of them has about two characters.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
LONGEST_WORD = 40


def words_in(text: str) -> int:
    """Return about how many words *text* has; where none are told apart, as many as its length makes likely."""
    unspaced = sum(-(-len(run) // 2) for run in _UNSPACED.findall(text))
    spaced = _WORD.findall(_UNSPACED.sub(" ", text))
    return unspaced + sum(-(-len(word) // LONGEST_WORD) for word in spaced)


@frozen
class Essay(Standing):
    """An essay with its words. *text* is raw, as the model said it, and never changed.

    It is empty while the model is not done: nobody reads drafts while another one may still be wished for.
    """

    text: str = ""

    @property
    def title(self) -> str:
        """A title taken from the text, for showing it; the text stays as it is."""
        return title_of(self.text)

    @property
    def words(self) -> int:
        """About how many words it has."""
        return words_in(self.text)

    @property
    def reading_minutes(self) -> int:
        """Minutes to read it, at least 1."""
        return max(1, round(self.words / WORDS_PER_MINUTE))


def states(log: Log, model: str | None = None) -> list[Standing]:
    """Return where every essay stands, of one model or of all, in the order in which they were drafted."""
    found = _STANDING.of(log).values()
    return [each for each in found if model is None or each.model == model]


def standing(log: Log, essay_id: str) -> Standing:
    """Return where an essay stands. Raises NotFound."""
    found = fold(log.entries(subject=essay_id, kinds=KINDS)) if essay_id else []
    if not found:
        raise NotFound(
            f"There is no essay {essay_id[:120]!r}.", next_step="List them: `emeritus column list`."
        )
    return found[0]


def essays(log: Log, utterances: Utterances, model: str | None = None) -> list[Essay]:
    """Return every essay with its words, of one model or of all, in the order of their drafts.

    Raises:
        NotFound, IntegrityError: words are lost or altered.
    """
    sealed = log.sealed_size()
    return [_with_words(each, utterances, sealed) for each in states(log, model)]


def get_essay(log: Log, utterances: Utterances, essay_id: str) -> Essay:
    """Return an essay with its words.

    Raises:
        NotFound: there is no such essay. IntegrityError: its words were altered.
        NotSealed: nobody has signed for its drafts yet.
    """
    return _with_words(standing(log, essay_id), utterances, log.sealed_size())


class NotSealed(Conflict):
    """Words are shown once how they came about stands on the record, signed; this is not so yet."""

    id = "essay.not_sealed"


def _with_words(essay: Standing, utterances: Utterances, sealed: int) -> Essay:
    if any(attempt.entry >= sealed for attempt in essay.attempts):
        raise NotSealed(
            f"Nobody has signed for a draft of {essay.id} yet, so its words are not shown.",
            next_step="Try again in a moment; if it stays so: `emeritus record verify`.",
        )
    known = {each.name: getattr(essay, each.name) for each in fields(Standing)}
    text = "" if essay.state in UNREADY else utterances.get(essay.utterance).text
    return Essay(**known, text=text)


def fold(entries: Iterable[Entry]) -> list[Standing]:
    """Fold *entries* of `KINDS` into essays."""
    return list(_fold({}, entries).values())


def _fold(before: Mapping[str, Standing], entries: Iterable[Entry]) -> Mapping[str, Standing]:
    found = dict(before)
    for entry in entries:
        name = entry.subject or ""
        if entry.kind == "essay.drafted":
            found[name] = _drafted(found.get(name), entry)
        else:
            moved = _APPLY[entry.kind](found[name], entry)
            found[name] = moved if moved.state is found[name].state else evolve(moved, since=entry.at)
    return found


def _drafted(essay: Standing | None, entry: Entry) -> Standing:
    body = entry.body
    attempt = Attempt(
        number=body["attempt"],
        regime=body["regime"],
        regime_digest=body["regime_digest"],
        prompt_digest=body["prompt_digest"],
        utterance=body["utterance"],
        spoken=body["spoken"],
        entry=entry.seq,
        at=entry.at,
        more=body.get("more", False),
        sampling=body.get("sampling"),
        engine=body.get("engine"),
        context=None if body.get("context") is None else Context.from_json(body["context"]),
        planned=body.get("planned"),
    )
    attempts = (*(essay.attempts if essay else ()), attempt)
    drafts = sum(each.spoken for each in attempts)
    state = State.SILENT if not drafts else State.DRAFTING if attempt.more else State.CHOOSING
    state = State.DRAFTED if state is State.CHOOSING and drafts == 1 else state
    if essay is None:
        return Standing(entry.subject or "", entry.model or "", body["number"], attempts, state, entry.at)
    return evolve(essay, attempts=attempts, state=state, since=entry.at, choice=None)


def _compared(essay: Standing, entry: Entry) -> Standing:
    body = entry.body
    if body["taken"] is None:
        return essay
    drafts = [attempt.number for attempt in essay.attempts if attempt.spoken]
    choice = Choice(
        attempt=body["taken"],
        place=drafts.index(body["taken"]) + 1,  # ValueError: a draft without words was chosen
        of=len(drafts),
        answered=body["answer"] is not None,
        utterance=body["utterance"],
        entry=entry.seq,
    )
    return evolve(essay, choice=choice, state=State.DRAFTED)


def _chosen(essay: Standing, entry: Entry) -> Standing:
    taken, drafts = entry.body["taken"], entry.body["drafts"]
    choice = Choice(
        attempt=taken,
        place=drafts.index(taken) + 1,
        of=len(drafts),
        answered=True,
        utterance="",
        entry=entry.seq,
        by=entry.by,
        reason=entry.body["reason"],
    )
    return evolve(essay, choice=choice, state=State.DRAFTED)


def _redraft(essay: Standing, entry: Entry) -> Standing:
    asked = Redraft(entry.by, entry.body["reason"], entry.at, entry.seq)
    return evolve(essay, redrafts=(*essay.redrafts, asked), state=State.DRAFTING, approval=None)


def _beside(essay: Standing, entry: Entry) -> Standing:
    made = Beside(
        f"{essay.id}-beside-{len(essay.beside) + 1}",
        entry.body["text"],
        entry.by,
        entry.at,
        entry.seq,
        entry.body["url"],
    )
    return evolve(essay, beside=(*essay.beside, made))


def _taken_away(essay: Standing, entry: Entry) -> Standing:
    return evolve(
        essay,
        beside=tuple(
            evolve(each, withdrawn_at=entry.at) if each.id == entry.body["beside"] else each
            for each in essay.beside
        ),
    )


def _held(essay: Standing, entry: Entry) -> Standing:
    until = parse_instant(entry.body["until"])
    return evolve(essay, state=State.HELD, held=Hold(until, entry.body["reason"], entry.by))


def _approved(essay: Standing, entry: Entry) -> Standing:
    approval = Approval(entry.by, entry.body["note"], entry.at)
    fallen = (*essay.fallen, essay.veto) if essay.veto else essay.fallen
    return evolve(essay, state=State.APPROVED, approval=approval, veto=None, fallen=fallen)


def _proposed(essay: Standing, entry: Entry) -> Standing:
    veto = Veto(entry.body["ground"], entry.body["reason"], entry.by, entry.at)
    return evolve(essay, state=State.VETO_PROPOSED, veto=veto, approval=None)


def _withdrawn(essay: Standing, _: Entry) -> Standing:
    assert essay.veto is not None
    return evolve(essay, state=State.DRAFTED, veto=None, fallen=(*essay.fallen, essay.veto))


def _vetoed(essay: Standing, entry: Entry) -> Standing:
    assert essay.veto is not None
    veto = evolve(essay.veto, seconded_by=entry.by, second_reason=entry.body["reason"])
    return evolve(essay, state=State.VETOED, veto=veto)


def _published(essay: Standing, entry: Entry) -> Standing:
    body: Mapping[str, Any] = entry.body
    edition = Edition(
        number=body["edition"],
        by=entry.by,
        at=entry.at,
        text_digest=body["text_digest"],
        disclaimer=body["disclaimer"],
        entry=entry.seq,
    )
    return evolve(essay, state=State.PUBLISHED, edition=edition)


_APPLY = {
    "essay.compared": _compared,
    "essay.chosen": _chosen,
    "essay.redraft_asked": _redraft,
    "essay.noted": _beside,
    "essay.note_withdrawn": _taken_away,
    "essay.held": _held,
    "essay.approved": _approved,
    "essay.veto_proposed": _proposed,
    "essay.veto_withdrawn": _withdrawn,
    "essay.vetoed": _vetoed,
    "essay.published": _published,
}
KINDS = frozenset(("essay.drafted", *_APPLY))
_STANDING: Growing[Mapping[str, Standing]] = Growing(KINDS, {}, _fold)
LONGEST_HOLD = timedelta(days=7)
