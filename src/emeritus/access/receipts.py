"""What an applicant does with a receipt: fetch the key, or appeal. The receipt is all that proves who they are."""

from emeritus.access import applicants, applications, grants
from emeritus.access.applications import Application
from emeritus.access.keys import RECEIPT, IssuedKey
from emeritus.access.ports import Keys
from emeritus.core.clock import Clock
from emeritus.core.errors import NotPermitted
from emeritus.record import Log
from emeritus.record.private import Private


def fetch_key(
    log: Log, private: Private, keys: Keys, clock: Clock, application: str, receipt: str
) -> IssuedKey:
    """Make the key of a granted application; the key before it ends.

    Raises:
        NotFound: no such application.
        NotPermitted: this is not its receipt, or it is not granted.
    """
    standing = _held(log, private, application, receipt)
    if standing.grant is None:
        raise NotPermitted(
            f"{application} is {standing.status}, not granted.",
            next_step=f"See how it stands: /access/applications/{application}.",
        )
    return grants.issue_key(log, keys, clock, standing.grant)


def appeal(log: Log, private: Private, application: str, receipt: str, *, why: str) -> Application:
    """Appeal a refusal, once. Raises as `fetch_key` and `emeritus.access.applications.appeal`."""
    _held(log, private, application, receipt)
    return applications.appeal(log, private, application, why=why)


def _held(log: Log, private: Private, application: str, receipt: str) -> Application:
    standing = applications.get_application(log, application)
    if not applicants.holds_receipt(private, application, receipt.strip()):
        raise NotPermitted(
            "This is not the receipt of that application.",
            next_step=f"It begins with {RECEIPT} and was shown once, when you applied.",
        )
    return standing
