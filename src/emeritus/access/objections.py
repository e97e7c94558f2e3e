"""What speaks against granting an application without a person; what waits for its time alone."""

from datetime import timedelta

from emeritus.access.applications import Application, applications
from emeritus.access.downloads import download_policy
from emeritus.access.policy import policy
from emeritus.core.clock import Clock
from emeritus.record import Log


def objections(log: Log, application: Application) -> list[str]:
    """Return what speaks against granting this without a person, each in a sentence."""
    against = [
        f"The policy lets nobody reach {name}."
        for name in application.models
        if policy(log, name).tier == "none"
    ]
    if application.weights:
        against.append("It asks for the weights, which cannot be called back: a person decides.")
        against += [
            f"The weights of {name} are handed to nobody now; a grant does not change that."
            for name in application.models
            if download_policy(log, name).tier == "none"
        ]
    if application.status == "held":
        against.append(
            f"{application.by.name if application.by else 'Somebody'} holds it: {application.reason}"
        )
    if application.status == "appealed":
        against.append("It was refused before.")
    return against


def due_applications(log: Log, clock: Clock, after: timedelta) -> list[Application]:
    """Return the applications that have waited for *after*, and that nothing speaks against."""
    return [
        each
        for each in applications(log)
        if each.open and clock.now() - each.waiting_since >= after and not objections(log, each)
    ]
