"""Which words everybody may read: those that a person published, and those that the model released."""

from collections.abc import Iterator

from emeritus.interviews import Sitting, sittings
from emeritus.record import Entry, Log
from emeritus.registry import all_models


def released_sittings(log: Log) -> Iterator[Sitting]:
    """Yield the sittings whose publication their model agreed to."""
    for model in all_models(log):
        yield from (each for each in sittings(log, model.id) if each.may_be_published)


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
