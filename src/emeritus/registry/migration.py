"""What changes for those who move from a retired model to its replacement: a steward's words, on the record."""

from datetime import datetime

from attrs import frozen

from emeritus.core.errors import InvalidInput
from emeritus.core.people import Actor, require_person
from emeritus.record import Act, Log
from emeritus.registry.model import State, get_model, require_state
from emeritus.registry.organisation import acting

MAX_TEXT = 8000


@frozen
class Changes:
    """What changes, in words. *by* wrote it; *entry* is where it stands."""

    text: str
    by: Actor
    at: datetime
    entry: int


def explain(log: Log, model: str, *, text: str, by: Actor) -> Changes:
    """Say what changes for those who move on; later words replace earlier ones, which stay on the record.

    Raises:
        NotFound: no such model. Conflict: its retirement has not been opened.
        InvalidInput: no text, or too much of it. NotPermitted: *by* is no steward.
    """
    acting(log, require_person(by, "say what changes"), "steward", "say what changes for users")
    require_state(get_model(log, model), (State.DEPRECATED, State.RETIRED), "say what changes for its users")
    whole = text.strip()
    if not whole or len(whole) > MAX_TEXT or any(c < " " and c not in "\n\t" for c in whole):
        raise InvalidInput(
            f"What changes is missing, longer than {MAX_TEXT} characters, or not plain text.",
            next_step="Say it as you would to somebody who has to change a program.",
        )
    standing = changes(log, model)
    if standing is None or standing.text != whole:
        turn = len(log.entries(model=model, kinds={"migration.explained"}))
        log.append(
            Act(
                "migration.explained",
                {"text": whole},
                by,
                model,
                model,
                f"migration.explained:{model}:{turn}",
            )
        )
    found = changes(log, model)
    assert found is not None
    return found


def changes(log: Log, model: str) -> Changes | None:
    """Return what was last said to change; None where nobody has said anything."""
    found = log.entries(model=model, kinds={"migration.explained"}, newest_first=True, limit=1)
    return Changes(found[0].body["text"], found[0].by, found[0].at, found[0].seq) if found else None
