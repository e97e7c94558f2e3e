"""Where people who act here can be reached by mail: a private fact, of which the record has only a commitment."""

from emeritus.core.address import mail_address
from emeritus.core.errors import NotFound, NotPermitted
from emeritus.core.people import Actor, require_person
from emeritus.record import Act, Entry, Log
from emeritus.record.private import Private
from emeritus.registry.organisation import Role, people


def set_mail(log: Log, private: Private, actor: Actor, address: str, *, by: Actor) -> Entry:
    """Keep the mail address of *actor*, or forget it where *address* is empty; by themselves or by a steward.

    Raises:
        NotFound: nobody here is called so. NotPermitted: *by* is neither.
        InvalidInput: this is no address.
    """
    require_person(by, "say where somebody is reached")
    here = {person.actor: person.roles for person in people(log)}
    if actor not in here:
        raise NotFound(
            f"Nobody here is called {actor.name!r}.", next_step="List them: `emeritus person list`."
        )
    if by != actor and "steward" not in here.get(by, ()):
        raise NotPermitted(
            f"{by.name} cannot say where {actor.name} is reached.", next_step="They do it, or a steward does."
        )
    given = mail_address(address) if address.strip() else ""
    turn = len(log.entries(kinds={"person.mail_set"}, subject=str(actor)))
    commitment = private.put(_fact(actor), {"mail": given}) if given else None
    if not given:
        private.forget(_fact(actor))
    body = {"person": str(actor), "commitment": commitment}
    return log.append(Act("person.mail_set", body, by, None, str(actor), f"person.mail_set:{actor}:{turn}"))


def mail_of(private: Private, actor: Actor) -> str | None:
    """Return where *actor* is reached, or None where that is not known."""
    try:
        return str(private.get(_fact(actor))["mail"])
    except NotFound:
        return None


def reachable_by_mail(log: Log, role: Role) -> list[Actor]:
    """Return those in *role* whose mail address is known here."""
    known: dict[str, bool] = {}
    for entry in log.entries(kinds={"person.mail_set"}):
        known[entry.body["person"]] = entry.body["commitment"] is not None
    return [each.actor for each in people(log) if role in each.roles and known.get(str(each.actor))]


def _fact(actor: Actor) -> str:
    return f"person-mail:{actor}"
