"""Retire: on its day, the order of a named person is carried out, and the decided access takes effect."""

from emeritus import ledger, registry
from emeritus.access.policy import set_policy
from emeritus.core.errors import Conflict
from emeritus.core.people import SOFTWARE
from emeritus.process.ports import Parts


def stride(parts: Parts, model_id: str) -> bool:
    """Carry out the retirement. Raises Conflict while decisions are missing or the day has not come."""
    with parts.work() as work:
        decided = ledger.aftercare(work.log, model_id)
        unasked = (
            registry.get_model(work.log, model_id).erased is None
            and ledger.settled(work.log, model_id) is None
        )
        if decided is None or unasked:
            raise Conflict(
                f"{model_id} cannot be retired: what it prefers is not decided on yet.",
                next_step="A steward decides first, in the desk or with `emeritus decide`.",
            )
        registry.retire(work.log, parts.clock, model_id)
        set_policy(
            work.log,
            model_id,
            tier=decided.tier,
            reason=decided.reason,
            review_on=decided.review_on,
            decision_entry=decided.entry,
            by=SOFTWARE,
        )
    return False
