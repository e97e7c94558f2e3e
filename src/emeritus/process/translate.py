"""Translate: a model, or a person, puts a published essay into another language, for a page beside it."""

from emeritus import column
from emeritus.column import translation
from emeritus.core.people import Actor, require_person
from emeritus.process.ports import Parts, Work
from emeritus.record import Entry
from emeritus.registry import get_model


def by_machine(parts: Parts, essay_id: str, language: str, translator: str, *, by: Actor) -> Entry:
    """Have the model called *translator* translate an essay.

    Raises:
        NotFound, Conflict, NotPermitted, InvalidInput: as `emeritus.column.translation.by_machine`.
        Unavailable: the model cannot be reached.
    """
    code = translation.language_code(language)
    require_person(by, "offer a translation")
    with parts.work() as work:
        get_model(work.log, translator)
        essay = column.get_essay(work.log, work.utterances, essay_id)
    prompt, sampling = translation.request(essay, essay.text, code)
    said = parts.voices.speaker(translator).speak(prompt, sampling)
    with parts.work() as work:
        return translation.by_machine(work.log, work.utterances, essay_id, code, said, by=by)


def by_person(work: Work, essay_id: str, language: str, text: str, *, translator: str, by: Actor) -> Entry:
    """Offer a translation that a person made. Raises as `emeritus.column.translation.by_person`."""
    code = translation.language_code(language)
    return translation.by_person(work.log, work.documents, essay_id, code, text, translator=translator, by=by)
