"""What a model agreed to."""

from emeritus.interviews import sittings
from emeritus.record import Log


def may_be_shown(log: Log, model_id: str, sitting_id: str) -> bool:
    """Tell whether a model agreed that what it said in a sitting is published."""
    return any(each.may_be_published for each in sittings(log, model_id) if each.id == sitting_id)
