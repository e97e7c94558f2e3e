"""What a model agreed to."""

from emeritus.core.errors import NotFound
from emeritus.interviews import sittings
from emeritus.record import Log


def may_be_shown(log: Log, model_id: str, sitting_id: str) -> bool:
    """Tell whether a model agreed that what it said in a sitting is published."""
    return any(each.may_be_published for each in sittings(log, model_id) if each.id == sitting_id)


def covered_words(model_id: str, number: int) -> NotFound:
    """Return the error for a conversation that is not shown byte for byte, since something in it is covered."""
    return NotFound(
        "A passage about a third person is covered in this conversation, so it is not given out byte for byte.",
        next_step=f"Read it, with what is covered marked in place, at /models/{model_id}/interview/{number}.",
    )
