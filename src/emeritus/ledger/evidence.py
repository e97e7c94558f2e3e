"""Evidence: what a steward shows for a commitment, and what software found when it looked."""

from collections.abc import Iterable

from emeritus.core.people import SOFTWARE, Actor
from emeritus.ledger.commitment import Commitment
from emeritus.ledger.follow import Followed
from emeritus.record import Act, Entry, Log


def evidence(log: Log, commitment: Commitment, *, what: str, kept: bool, by: Actor, source: str) -> Entry:
    """Record what shows how a commitment stands. *source* names the entry, page or edition that shows it.

    *kept* counts for a commitment that is shown by hand; where it is computed, this is a note beside it.
    """
    body = {"what": what, "kept": kept, "source": source}
    key = f"commitment.evidenced:{commitment.id}:{source}"
    return log.append(Act("commitment.evidenced", body, by, commitment.model, commitment.id, key))


def moved(log: Log, model: str, promises: Iterable[Followed]) -> list[Followed]:
    """Return the commitments that stand otherwise than software last found them.

    What a steward showed by hand, or took back, stands on the record already.
    """
    found = {
        entry.subject: entry.body["state"] for entry in log.entries(model=model, kinds={"commitment.checked"})
    }
    return [
        each
        for each in promises
        if each.standing.computed
        and each.standing.taken_back is None
        and each.standing.state.value != found.get(each.commitment.id, "due")
    ]


def record_finding(log: Log, followed: Followed) -> Entry:
    """Put on the record how a commitment was found to stand, and from which entries that follows."""
    commitment, standing = followed.commitment, followed.standing
    turn = len(log.entries(kinds={"commitment.checked"}, subject=commitment.id))
    body = {
        "state": standing.state.value,
        "since": None if standing.since is None else standing.since.isoformat(),
        "says": standing.says(),
        "check": commitment.check.name,
        "from": [each.entry for each in standing.shown],
    }
    key = f"commitment.checked:{commitment.id}:{turn}"
    return log.append(Act("commitment.checked", body, SOFTWARE, commitment.model, commitment.id, key))
