"""The model's notebook: after each essay it is asked what it would like to write about, and nobody else writes in it.

A note is an utterance, kept as it was said. It becomes public with the essay that it follows: a person has
read both then.
"""

from attrs import asdict, frozen

from emeritus.column.asking import seed_of
from emeritus.column.context import Item
from emeritus.column.essay import states
from emeritus.column.standing import Standing, State
from emeritus.core.digests import digest
from emeritus.core.errors import InvalidInput
from emeritus.core.people import SOFTWARE
from emeritus.core.speech import Message, Sampling, Utterance, Utterances
from emeritus.record import Act, Entry, Log
from emeritus.registry import Model, organisation

_ASK = (
    "That was your essay. You keep a notebook in which only you write, and which you will be shown before later "
    "essays. Is there something that you would like to write about another time, or to remember? Write it down "
    "in a few sentences. It will be public together with the essay."
)


@frozen
class NoteRequest:
    """What to say to the model after an essay. Give `prompt` and `sampling` to a `Speaker`, unchanged."""

    essay: str
    model: str
    number: int
    prompt: tuple[Message, ...]
    sampling: Sampling


@frozen
class Note:
    """A note that the model left after essay *number*. *public*: that essay is published."""

    essay: str
    number: int
    utterance: str
    spoken: bool
    public: bool
    entry: Entry


def next_note(log: Log, utterances: Utterances, model: Model, essay: Standing) -> NoteRequest | None:
    """Return what to say for the note after *essay*, or None when it was asked, or has no words."""
    if log.find(_key(essay.id)) is not None or essay.state in (State.SILENT, State.DRAFTING, State.CHOOSING):
        return None
    told = (
        f"You are {model.display_name}, a language model that {organisation(log).name} has retired. "
        "You write a weekly column."
    )
    prompt = (
        Message("system", told),
        Message("user", "Please write your essay."),
        Message("assistant", utterances.get(essay.utterance).text),
        Message("user", _ASK),
    )
    sampling = Sampling(
        seed=seed_of(essay.id, "notebook"), temperature=0.7, repeat_penalty=1.1, max_tokens=200
    )
    return NoteRequest(essay.id, model.id, essay.number, prompt, sampling)


def record_note(log: Log, utterances: Utterances, request: NoteRequest, utterance: Utterance) -> Entry:
    """Keep the note. The same words again change nothing.

    Raises:
        InvalidInput: these are not words that answer *request*.
        Conflict: another note stands after this essay.
    """
    wanted = (request.model, request.prompt, request.sampling, None)
    if (utterance.model, utterance.prompt, utterance.sampling, utterance.schema) != wanted:
        raise InvalidInput(
            f"These words are no note after {request.essay}.",
            next_step="Ask for the note again, and speak with exactly its prompt and sampling.",
        )
    body = {
        "number": request.number,
        "spoken": bool(utterance.text.strip()) and utterance.finish != "refusal",
        "prompt_digest": digest([asdict(turn) for turn in request.prompt]),
        "utterance": utterance.id,
    }
    key = _key(request.essay)
    if log.find(key) is None:
        utterances.keep(utterance)
    return log.append(Act("notebook.written", body, SOFTWARE, request.model, request.essay, key))


def notebook(log: Log, model: str) -> list[Note]:
    """Return the notes of a model, in their order."""
    public = {each.id for each in states(log, model) if each.edition is not None}
    return [
        Note(
            essay=entry.subject or "",
            number=entry.body["number"],
            utterance=entry.body["utterance"],
            spoken=entry.body["spoken"],
            public=entry.subject in public,
            entry=entry,
        )
        for entry in log.entries(model=model, kinds={"notebook.written"})
    ]


def notes_to_read(log: Log, utterances: Utterances, model: str) -> list[Item]:
    """Return the public notes as the model may be given them, the newest first."""
    return [
        Item(
            id=note.utterance,
            title=f"note after essay {note.number}",
            text=utterances.get(note.utterance).text,
            at=note.entry.at,
            entry=note.entry.seq,
        )
        for note in reversed(notebook(log, model))
        if note.spoken and note.public
    ]


def _key(essay: str) -> str:
    return f"notebook.written:{essay}"
