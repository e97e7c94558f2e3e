"""Applications for access. Granting is what happens unless something speaks against it.

Who applies and what for is private, unless the applicant wants the purpose to be public. Public are the
models, the dates, the answer and its reason. A refusal can be appealed once.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Literal

from attrs import evolve, field, frozen

from emeritus.access import keys as secret
from emeritus.access.applicants import appeal_fact, fact, note_contact
from emeritus.access.downloads import download_policy
from emeritus.access.policy import policy
from emeritus.core.clock import Clock
from emeritus.core.errors import Conflict, InvalidInput, NotFound, NotPermitted
from emeritus.core.ids import new_id
from emeritus.core.people import Actor, require_person
from emeritus.record import Act, Entry, Log
from emeritus.record.private import Private
from emeritus.registry.erasure import require_weights
from emeritus.registry.model import get_model
from emeritus.registry.organisation import acting, people

Status = Literal["received", "held", "granted", "refused", "appealed"]
KINDS = frozenset(
    {"application.received", "application.held", "application.refused", "application.appealed", "grant.made"}
)
MAX_MODELS = 20
MAX_PURPOSE = 4000


@frozen
class Application:
    """An application, as the record tells of it. *status* says what it waits for, or how it ended.

    *waiting_since* is when it was received or appealed, *reason* that of the last decision, *by* who took it,
    *refused_by* who refused it first.
    *weights* says that it asks for the weights too.
    """

    id: str
    models: tuple[str, ...]
    received_at: datetime
    waiting_since: datetime
    purpose: str | None = None
    status: Status = "received"
    reason: str = ""
    by: Actor | None = None
    decided_at: datetime | None = None
    grant: str | None = None
    appeals: int = 0
    weights: bool = False
    refused_by: Actor | None = None

    @property
    def open(self) -> bool:
        """True while a decision is due."""
        return self.status in ("received", "held", "appealed")

    @property
    def can_appeal(self) -> bool:
        return self.status == "refused" and self.appeals == 0


@frozen
class Received:
    """An application just made. *receipt* opens it for its applicant: shown once, kept as a hash."""

    application: Application
    receipt: str = field(repr=False)


def apply(
    log: Log,
    private: Private,
    clock: Clock,
    *,
    models: Sequence[str],
    who: str,
    contact: str,
    purpose: str,
    purpose_public: bool = False,
    weights: bool = False,
    by: Actor | None = None,
) -> Received:
    """Apply for access to *models*; with *weights*, to their weights too.

    Raises:
        NotFound: one of the models is not there. WeightsErased: it never will be again.
        InvalidInput: a part is missing or too long, every model is open to everybody, or weights are not here.
    """
    wanted = tuple(dict.fromkeys(models))
    if not 1 <= len(wanted) <= MAX_MODELS:
        raise InvalidInput(
            f"An application names 1 to {MAX_MODELS} models.", next_step="Say which: models, a list of ids."
        )
    for name in wanted:
        require_weights(get_model(log, name))
    if weights:
        _weights_to_ask_for(log, wanted)
    elif all(policy(log, name).tier == "public" for name in wanted):
        raise InvalidInput(
            f"{', '.join(wanted)} can be called by everybody.", next_step="Call it; no key is needed."
        )
    facts = {
        "who": _line(who, "who", 200),
        "contact": _line(contact, "contact", 320),
        "purpose": _text(purpose, "purpose"),
    }
    receipt = secret.make(secret.RECEIPT)
    application = new_id("application", clock.now())
    committed = private.put(fact(application), {**facts, "receipt": secret.hashed(receipt)})
    note_contact(private, facts["contact"], application)
    body = {
        "models": list(wanted),
        "commitment": committed,
        "purpose": facts["purpose"] if purpose_public else None,
        "weights": weights,
    }
    log.append(
        Act(
            "application.received",
            body,
            by or Actor("software", "gateway"),
            wanted[0] if len(wanted) == 1 else None,
            application,
            f"application.received:{application}",
        )
    )
    return Received(get_application(log, application), receipt)


def get_application(log: Log, application: str) -> Application:
    """Return an application. Raises NotFound."""
    found = fold(log.entries(kinds=KINDS, subject=application))
    if not found:
        raise NotFound(
            f"There is no application {application[:80]!r}.", next_step="Copy its whole id: application-…"
        )
    return found[0]


def applications(log: Log, *, model: str | None = None) -> list[Application]:
    """Return every application, in order; those for *model* when it is given."""
    found = fold(log.entries(kinds=KINDS))
    return [each for each in found if model is None or model in each.models]


def another_person(log: Log, application: Application, by: Actor) -> None:
    """Make sure that an appeal is not decided by who refused, where there is another steward.

    Raises:
        NotPermitted: there is, and *by* refused it.
    """
    others = [each.actor.name for each in people(log) if "steward" in each.roles and each.actor != by]
    if application.appeals and application.refused_by == by and others:
        raise NotPermitted(
            f"{by.name} refused {application.id}, so somebody else decides on the appeal.",
            next_step=f"Ask one of: {', '.join(others)}.",
        )


def refuse(log: Log, application: str, *, reason: str, by: Actor) -> Application:
    """Decline an application. Only a steward can, and says why.

    Raises:
        NotFound: no such application.
        InvalidInput: no reason.
        Conflict: it was decided otherwise.
        NotPermitted: *by* is no steward, or refused it before and another steward could decide.
    """
    acting(log, require_person(by, "refuse an application"), "steward", "refuse an application")
    if not reason.strip():
        raise InvalidInput(
            "The reason is missing.", next_step="Give one: the applicant and the public read it."
        )
    standing = get_application(log, application)
    if standing.status == "granted":
        raise Conflict(
            f"{application} was granted already.",
            next_step=f"Revoke {standing.grant} instead, with a reason.",
        )
    another_person(log, standing, by)
    body = {"reason": reason.strip(), "final": standing.appeals > 0}
    _append(log, "application.refused", standing, body, by=by, key=f"decided:{standing.appeals}")
    return get_application(log, application)


def hold(log: Log, application: str, *, reason: str, by: Actor) -> Application:
    """Keep an application from being granted by itself: somebody wants to look at it first."""
    acting(log, require_person(by, "hold an application"), "steward", "hold an application")
    if not reason.strip():
        raise InvalidInput("The reason is missing.", next_step="Say what has to be looked at.")
    standing = get_application(log, application)
    if not standing.open:
        raise Conflict(f"{application} was decided already.", next_step="There is nothing to hold.")
    _append(
        log, "application.held", standing, {"reason": reason.strip()}, by=by, key=f"held:{standing.appeals}"
    )
    return get_application(log, application)


def appeal(log: Log, private: Private, application: str, *, why: str, by: Actor | None = None) -> Application:
    """Ask, once, for a refusal to be looked at again.

    Raises:
        Conflict: it was not refused, or was appealed before.
        InvalidInput: *why* says nothing, or too much.
    """
    standing = get_application(log, application)
    if not standing.can_appeal:
        raise Conflict(
            f"{application} is {standing.status}"
            + (" after an appeal" if standing.appeals else "")
            + ", so it cannot be appealed.",
            next_step="A refusal can be appealed once; a new application can always be made.",
        )
    committed = private.put(appeal_fact(application), {"why": _text(why, "why")})
    _append(
        log,
        "application.appealed",
        standing,
        {"commitment": committed},
        by=by or Actor("software", "gateway"),
        key="appealed",
    )
    return get_application(log, application)


def fold(entries: Collection[Entry]) -> list[Application]:
    """Read the entries of `KINDS`, each application in the order of its receipt."""
    found: dict[str, Application] = {}
    for entry in entries:
        name = entry.body["application"] if entry.kind == "grant.made" else entry.subject or ""
        if entry.kind == "application.received":
            found[name] = Application(
                name,
                tuple(entry.body["models"]),
                entry.at,
                entry.at,
                entry.body["purpose"],
                weights=entry.body.get("weights", False),
            )
        elif name in found:
            found[name] = _next(found[name], entry)
    return list(found.values())


def _next(standing: Application, entry: Entry) -> Application:
    match entry.kind:
        case "application.held":
            return evolve(standing, status="held", reason=entry.body["reason"], by=entry.by)
        case "application.appealed":
            return evolve(
                standing, status="appealed", waiting_since=entry.at, appeals=1, by=None, decided_at=None
            )
        case "application.refused":
            changed: dict[str, Any] = {"status": "refused", "refused_by": standing.refused_by or entry.by}
        case _:
            changed = {"status": "granted", "grant": entry.body["grant"]}
    return evolve(standing, **changed, reason=entry.body["reason"], by=entry.by, decided_at=entry.at)


def _append(
    log: Log, kind: str, standing: Application, body: dict[str, Any], *, by: Actor, key: str
) -> Entry:
    model = standing.models[0] if len(standing.models) == 1 else None
    return log.append(Act(kind, body, by, model, standing.id, f"application.{key}:{standing.id}"))


def _weights_to_ask_for(log: Log, wanted: Sequence[str]) -> None:
    for name in wanted:
        if not require_weights(get_model(log, name)).held:
            raise InvalidInput(
                f"The weights of {name} are not held here.",
                next_step="Apply to call it, without its weights.",
            )
    if all(download_policy(log, name).tier == "public" for name in wanted):
        raise InvalidInput(
            f"Everybody may have the weights of {', '.join(wanted)}.",
            next_step="Download them; no key is needed.",
        )


def _line(text: str, what: str, longest: int) -> str:
    line = text.strip()
    if not line or len(line) > longest or not line.isprintable():
        raise InvalidInput(
            f"{what!r} is missing, longer than {longest} characters, or not one line of plain text.",
            next_step=f"Give {what} as one line.",
        )
    return line


def _text(text: str, what: str) -> str:
    whole = text.strip()
    if not whole or len(whole) > MAX_PURPOSE or any(c < " " and c not in "\n\t" for c in whole):
        raise InvalidInput(
            f"{what!r} is missing, longer than {MAX_PURPOSE} characters, or not plain text.",
            next_step="A sentence or two are enough.",
        )
    return whole
