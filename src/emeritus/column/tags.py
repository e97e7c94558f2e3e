"""Tags: what an essay is about, as a reviewer or steward labels it. They stand beside the text, never in it."""

import re
from collections.abc import Iterable, Mapping

from emeritus.column.essay import standing
from emeritus.core.errors import Conflict, InvalidInput
from emeritus.core.people import Actor, require_person
from emeritus.record import Act, Entry, Log
from emeritus.record.growing import Growing
from emeritus.registry.organisation import acting, people

_Tagged = Mapping[str, tuple[str, tuple[str, ...]]]
KIND = "essay.tagged"
MOST = 8
LONGEST = 40
_SPACE = re.compile(r"[\s_-]+")
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")


def tag_name(text: str) -> str:
    """Return *text* as a tag: words in lower case, joined by hyphens, in any script.

    Raises:
        InvalidInput: there is something else in it than letters and digits, or it is too long.
    """
    name = _SPACE.sub("-", text.strip().lower())
    if not _WORD.fullmatch(name) or len(name) > LONGEST:
        raise InvalidInput(
            f"{text.strip()[:60]!r} cannot be a tag.",
            next_step=f"Use up to {LONGEST} letters and digits, with spaces or hyphens between words.",
        )
    return name


def tag(log: Log, essay_id: str, names: Iterable[str], *, by: Actor) -> Entry:
    """Give a published essay these tags, in the place of those that it had.

    Raises:
        NotPermitted: *by* has no part here. InvalidInput: a tag cannot be one, or there are too many.
        NotFound: there is no such essay. Conflict: it is not published.
    """
    require_person(by, "tag an essay")
    if not any(by == each.actor for each in people(log)):
        acting(log, by, "reviewer", "tag an essay")
    essay = standing(log, essay_id)
    if essay.edition is None:
        raise Conflict(
            f"{essay_id} is not published.", next_step="Publish it first: drafts are not for everybody."
        )
    chosen = list(dict.fromkeys(tag_name(name) for name in names))
    if len(chosen) > MOST:
        raise InvalidInput(
            f"{len(chosen)} tags are too many.", next_step=f"Choose the {MOST} that matter most."
        )
    number = len(log.entries(kinds={KIND}, subject=essay_id)) + 1
    return log.append(
        Act("essay.tagged", {"tags": chosen}, by, essay.model, essay_id, f"{KIND}:{essay_id}:{number}")
    )


def tags(log: Log, model: str | None = None) -> Mapping[str, tuple[str, ...]]:
    """Return the tags of each essay that has some, of one model or of all."""
    return {
        essay: names
        for essay, (of, names) in _TAGS.of(log).items()
        if names and (model is None or of == model)
    }


def _fold(before: _Tagged, entries: Iterable[Entry]) -> _Tagged:
    new = {entry.subject or "": (entry.model or "", tuple(entry.body["tags"])) for entry in entries}
    return {**before, **new}


_TAGS: Growing[_Tagged] = Growing({KIND}, {}, _fold)


def tags_of(log: Log, essay_id: str) -> tuple[str, ...]:
    """Return the tags of one essay."""
    newest = log.entries(kinds={KIND}, subject=essay_id, newest_first=True, limit=1)
    return tuple(newest[0].body["tags"]) if newest else ()
