"""Granting by itself: what has waited long enough, and what nothing speaks against."""

from datetime import timedelta

from emeritus.access import declared
from emeritus.access.applications import Application
from emeritus.access.grants import BY_ITSELF, decide_application
from emeritus.access.objections import due_applications
from emeritus.core.clock import Clock
from emeritus.core.people import SOFTWARE
from emeritus.record import Log
from emeritus.record.private import Private


def grant_due(log: Log, private: Private, clock: Clock, after: timedelta) -> list[Application]:
    """Grant every application that has waited for *after*, and that neither policy nor a rule speaks against."""
    rules = declared.in_force(log)
    now = clock.now()
    return [
        decide_application(log, clock, each.id, grant=True, reason=BY_ITSELF, by=SOFTWARE, rules=rules.digest)
        for each in due_applications(log, clock, after)
        if not declared.against(log, private, each, now, rules)
    ]
