"""Remind: reviewers are told by mail what waits for them, once when it is ready, once before its day, once after."""

from emeritus import column
from emeritus.core.people import SOFTWARE
from emeritus.process.ports import Letter, Parts
from emeritus.process.weeks import reminder_due
from emeritus.record import Act
from emeritus.registry import get_model, mail_of, organisation, reachable_by_mail

_SAYS = {
    "ready": "waits to be read",
    "near": "is to be published by tomorrow, and waits for a person",
    "late": "was to be published by now, and waits for a person",
}


def stride(parts: Parts, essay_id: str) -> bool:
    """Send the reminder that is due for an essay, and put on record that it was sent."""
    with parts.work() as work:
        essay = column.standing(work.log, essay_id)
        kind = reminder_due(work.log, essay, parts.clock.now())
        if not kind or essay.state in _DONE:
            return False
        model, name = get_model(work.log, essay.model), organisation(work.log).name
        known = {actor: mail_of(work.private, actor) for actor in reachable_by_mail(work.log, "reviewer")}
        for actor, address in known.items():
            if address is None:
                continue
            work.post.send(
                Letter(
                    key=f"essay-reminder:{essay_id}:{kind}:{actor}",
                    to=address,
                    subject=f"Essay {essay.number} of {model.display_name} {_SAYS[kind]}",
                    text=_text(essay, model.display_name, name, kind, parts.site_url),
                    kind="reminder",
                )
            )
        body = {
            "reminder": kind,
            "people": sum(address is not None for address in known.values()),
        }
        key = f"essay.reminded:{essay_id}:{kind}"
        work.log.append(Act("essay.reminded", body, SOFTWARE, essay.model, essay_id, key))
    return False


_DONE = (column.State.PUBLISHED, column.State.VETOED, column.State.SILENT)


def _text(essay: column.Standing, model: str, name: str, kind: str, site_url: str) -> str:
    by = ""
    if essay.deadline is not None:
        by = f" It is planned to be out before {essay.deadline:%d %B %Y, %H:%M} UTC."
    return (
        f"Essay {essay.number} of {model} {_SAYS[kind]}.{by}\n\n"
        f"Read it at the desk of {name}: {site_url}/desk/essays/{essay.id}\n\n"
        "Approve it unless one of the grounds for a veto is there. Nobody can change a word of it.\n"
    )
