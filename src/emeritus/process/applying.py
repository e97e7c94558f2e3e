"""Applications: received, answered and appealed, each with a letter in the same unit of work."""

from collections.abc import Sequence
from datetime import timedelta

from emeritus.access import applicants, applications, grants, members, receipts
from emeritus.access.applications import Application, Received
from emeritus.access.by_itself import grant_due
from emeritus.access.dependants import Dependant
from emeritus.core.address import mail_address
from emeritus.core.clock import Clock
from emeritus.core.errors import InvalidInput, NotFound
from emeritus.core.people import Actor
from emeritus.process import letters
from emeritus.process.ports import AccessWork
from emeritus.registry import organisation

MOST_A_DAY = 5
"""So many applications of one contact are acknowledged by mail within a day."""


def apply(
    work: AccessWork,
    clock: Clock,
    site: str,
    *,
    models: Sequence[str],
    who: str,
    contact: str,
    purpose: str,
    purpose_public: bool = False,
    weights: bool = False,
) -> Received:
    """Take an application, and acknowledge it by mail. Raises as `emeritus.access.applications.apply`.

    Whoever gives somebody else's address cannot have them flooded: `MOST_A_DAY` are acknowledged.
    """
    made = applications.apply(
        work.log,
        work.private,
        clock,
        models=models,
        who=who,
        contact=contact,
        purpose=purpose,
        purpose_public=purpose_public,
        weights=weights,
    )
    to = address(work, made.application.id)
    if to is not None and _lately(work, contact, clock) <= MOST_A_DAY:
        work.post.send(letters.received(made.application, to, _house(work), site))
    return made


def answer(
    work: AccessWork,
    clock: Clock,
    site: str,
    application: str,
    *,
    grant: bool,
    reason: str,
    by: Actor,
    days: int = grants.DEFAULT_DAYS,
    budget: int | None = None,
    rate: int | None = None,
    models: Sequence[str] | None = None,
    weights: bool = False,
) -> Application:
    """Grant or refuse, and say so by mail. Raises as `emeritus.access.grants.decide_application`."""
    decided = grants.decide_application(
        work.log,
        clock,
        application,
        grant=grant,
        reason=reason,
        by=by,
        days=days,
        budget=budget,
        rate=rate,
        models=models,
        weights=weights,
    )
    _tell(work, site, decided)
    return decided


def appeal(work: AccessWork, site: str, application: str, receipt: str, *, why: str) -> Application:
    """Take an appeal of whoever holds the receipt. Raises as `emeritus.access.receipts.appeal`."""
    appealed = receipts.appeal(work.log, work.private, application, receipt, why=why)
    acknowledge_appeal(work, site, appealed)
    return appealed


def acknowledge_appeal(work: AccessWork, site: str, application: Application) -> None:
    """Say by mail that an appeal has arrived."""
    to = address(work, application.id)
    if to is not None:
        work.post.send(letters.appealed(application, to, _house(work), site))


def grant_waiting(work: AccessWork, clock: Clock, site: str, after: timedelta) -> list[Application]:
    """Grant what has waited for *after* and what nothing speaks against; return what was granted."""
    granted = grant_due(work.log, work.private, clock, after)
    for each in granted:
        _tell(work, site, each)
    return granted


def address(work: AccessWork, application: str) -> str | None:
    """Return the mail address that the applicant gave; None where it is none, or was forgotten."""
    try:
        return mail_address(str(applicants.applicant(work.private, application)["contact"]))
    except (InvalidInput, NotFound):
        return None


def _lately(work: AccessWork, contact: str, clock: Clock) -> int:
    """Return how many applications came from *contact* within a day."""
    since = clock.now() - timedelta(days=1)
    names = applicants.of_contact(work.private, contact)[-MOST_A_DAY - 1 :]
    return sum(applications.get_application(work.log, name).received_at > since for name in names)


def called(work: AccessWork, dependant: Dependant) -> str:
    """Return what a dependant is called, for those who may know; their id once they were forgotten."""
    try:
        if dependant.kind == "member":
            return members.get_member(work.log, work.private, dependant.holder).name
        application = dependant.holder.replace("grant-", "application-", 1)
        return str(applicants.applicant(work.private, application)["who"])
    except NotFound:
        return dependant.holder


def _tell(work: AccessWork, site: str, decided: Application) -> None:
    to = address(work, decided.id)
    if to is not None:
        work.post.send(letters.answered(decided, to, _house(work), site))


def _house(work: AccessWork) -> str:
    return organisation(work.log).name
