"""Redact: a steward covers what concerns third persons in a conversation, or shows it again."""

from emeritus.core.people import Actor
from emeritus.interviews.redaction import Privacy, Redaction, lift, redact
from emeritus.process.ports import Work
from emeritus.registry.organisation import acting


def cover(
    work: Work, sitting: str, *, turn: int, passage: str, ground: Privacy, reason: str, by: Actor
) -> Redaction:
    """Cover a passage. Raises NotPermitted unless a steward does it; else as `emeritus.interviews.redaction.redact`."""
    acting(work.log, by, "steward", "redact a conversation")
    return redact(
        work.log,
        work.utterances,
        work.private,
        sitting,
        turn=turn,
        passage=passage,
        ground=ground,
        reason=reason,
        by=by,
    )


def uncover(work: Work, sitting: str, number: int, *, reason: str, by: Actor) -> Redaction:
    """Show a passage again. Raises NotPermitted unless a steward does it; else as `emeritus.interviews.redaction.lift`."""
    acting(work.log, by, "steward", "lift a redaction")
    return lift(work.log, sitting, number, reason=reason, by=by)
