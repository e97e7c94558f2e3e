"""What people put beside an essay: a note on its content, or a link. The essay itself stays as it is."""

from urllib.parse import urlsplit

from emeritus.column.essay import standing
from emeritus.column.render import visible
from emeritus.column.standing import Beside, State
from emeritus.core.errors import Conflict, InvalidInput, NotFound
from emeritus.core.people import Actor, require_person
from emeritus.record import Act, Entry, Log
from emeritus.registry.organisation import acting

MOST_CHARACTERS = 1000
MOST_BESIDE = 20
_BEFORE_REVIEW = (State.SILENT, State.DRAFTING, State.CHOOSING)


def put_beside(log: Log, essay_id: str, *, note: str, url: str = "", by: Actor) -> Entry:
    """Put a note beside an essay, or with *url* a link; as a reviewer. It is shown as theirs, not the model's.

    Raises:
        NotPermitted: *by* is no reviewer. NotFound: no such essay.
        InvalidInput: no text, too long, with hidden characters, or no web address.
        Conflict: there is nothing to read yet, it is vetoed, or there are too many.
    """
    acting(
        log, require_person(by, "put something beside an essay"), "reviewer", "put something beside an essay"
    )
    essay = standing(log, essay_id)
    said, address = note.strip(), url.strip()
    if not said or len(said) > MOST_CHARACTERS or visible(said) != said:
        raise InvalidInput(
            "The note is missing, too long, or holds characters that cannot be seen.",
            next_step=f"Say it in 1 to {MOST_CHARACTERS} characters, for the public.",
        )
    if address and not _is_web(address):
        raise InvalidInput(f"{address[:80]!r} is no web address.", next_step="Write it as https://HOST/PATH.")
    if essay.state in _BEFORE_REVIEW or essay.state is State.VETOED:
        raise Conflict(f"{essay_id} is {essay.state}.", next_step="See its history on the record.")
    if len(essay.shown_beside) >= MOST_BESIDE:
        raise Conflict(f"There are {MOST_BESIDE} notes beside {essay_id}.", next_step="Take one away first.")
    body = {"text": said, "url": address}
    key = f"essay.noted:{essay_id}:{len(essay.beside) + 1}"
    return log.append(Act("essay.noted", body, by, essay.model, essay_id, key))


def take_away(log: Log, essay_id: str, note_id: str, *, reason: str, by: Actor) -> Entry:
    """Have a note beside an essay not shown any more; it stays on the record.

    Raises:
        NotPermitted: *by* is no reviewer. NotFound: there is no such note. InvalidInput: no reason.
    """
    acting(log, require_person(by, "take a note away"), "reviewer", "take a note away")
    essay = standing(log, essay_id)
    if not reason.strip() or len(reason) > MOST_CHARACTERS:
        raise InvalidInput("The reason is missing or too long.", next_step="Give one, for the public.")
    known = {each.id: each for each in essay.beside}
    if note_id not in known:
        raise NotFound(
            f"There is no {note_id[:120]!r} beside {essay_id}.",
            next_step=f"There is: {', '.join(known) or 'nothing'}.",
        )
    body = {"beside": note_id, "reason": reason.strip()}
    return log.append(
        Act("essay.note_withdrawn", body, by, essay.model, essay_id, f"essay.note_withdrawn:{note_id}")
    )


def beside(log: Log, essay_id: str) -> tuple[Beside, ...]:
    """Return what stands beside an essay now, for pages, feeds and mails: to be shown apart from its text."""
    return standing(log, essay_id).shown_beside


def _is_web(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    plain = address.isascii() and address.isprintable() and " " not in address and len(address) <= 2000
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
