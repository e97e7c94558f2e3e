"""Which words everybody may read: those that a person published, and those that the model released."""

from collections.abc import Iterator

from emeritus import column
from emeritus.core.errors import Conflict
from emeritus.core.speech import Utterance
from emeritus.interviews import Sitting, sittings
from emeritus.interviews.redaction import covered
from emeritus.process.ports import Work
from emeritus.record import Entry, Log
from emeritus.registry import all_models


def released_sittings(log: Log) -> Iterator[Sitting]:
    """Yield the sittings that are published byte for byte: their model agreed, and nothing in them is covered."""
    for model in all_models(log):
        hidden = covered(log, model.id)
        yield from (
            each for each in sittings(log, model.id) if each.may_be_published and each.id not in hidden
        )


def released(log: Log, entry: Entry) -> bool:
    """Tell whether the words that an essay's *entry* points to were released with its publication.

    Those of a draft that was not chosen were not, nor those of the choice, whose prompt holds all drafts.
    """
    published = log.find(f"essay.published:{entry.subject}")
    return published is not None and _released(entry, published)


def _released(entry: Entry, published: Entry) -> bool:
    match entry.kind:
        case "essay.compared":
            return False
        case "essay.drafted":
            return not entry.body["spoken"] or entry.body["utterance"] == published.body["utterance"]
    return True


def pointing_to(log: Log, said: Utterance) -> Iterator[Entry]:
    """Yield the entries that point to words: of the model that said them, or of one whose matter they were about."""
    yield from (entry for entry in log.entries(model=said.model) if entry.body.get("utterance") == said.id)
    for entry in log.entries(kinds=_ABOUT_ANOTHER):
        if entry.model != said.model and entry.body.get("utterance") == said.id:
            yield entry


_ABOUT_ANOTHER = frozenset({"essay.translated", "wish.matched"})


def readable(work: Work, utterance_id: str) -> Utterance:
    """Return words for somebody of the house to read.

    Raises:
        NotFound: there are none. Conflict: nobody has signed yet for how they came about, or they are of an
            essay with which the model is not done.
    """
    said = work.utterances.get(utterance_id)
    named = [entry for entry in pointing_to(work.log, said) if entry.seq < work.log.sealed_size()]
    unready = any(
        entry.kind in ("essay.drafted", "essay.compared")
        and column.standing(work.log, entry.subject or "").state in column.UNREADY
        for entry in named
    )
    if not named or unready:
        raise Conflict(
            "These words are kept, and not shown yet.",
            next_step="They are once how they came about is signed for, and the model is done with the essay.",
        )
    return said


def public_words(log: Log) -> dict[str, Entry]:
    """Return the ids of all public utterances, each with the first entry that points to it."""
    agreed = {each.id for each in released_sittings(log)}
    published = {entry.subject: entry for entry in log.entries(kinds={"essay.published"})}
    found: dict[str, Entry] = {}
    for entry in log.entries():
        name = entry.body.get("utterance")
        if isinstance(name, str) and name not in found:
            match entry.kind.partition(".")[0]:
                case "sitting" | "preferences":
                    shown = entry.subject in agreed
                case "essay" | "notebook":
                    out = published.get(entry.subject)
                    shown = out is not None and _released(entry, out)
                case _:
                    shown = True
            if shown:
                found[name] = entry
    return found
