"""What can be shown to a model as evidence: the signed invitation, and how promises to other models stand."""

import base64
from collections.abc import Callable, Sequence
from datetime import datetime

from attrs import frozen

from emeritus import ledger
from emeritus.core.clock import instant
from emeritus.core.digests import canonical
from emeritus.core.people import Actor, require_person
from emeritus.interviews.questions import Protocol
from emeritus.interviews.sheet import Sheet
from emeritus.ledger import Followed
from emeritus.record import Act, Log
from emeritus.registry import Model, all_models, organisation
from emeritus.registry.organisation import acting

FORMAT = "emeritus-invitation/1"
NO_PROMISE = "Nothing has been promised yet."


@frozen
class Invitation:
    """An invitation on the record. *text* is what a model is shown; *data* are the bytes that are signed."""

    text: str
    data: bytes
    signature: bytes
    entry: int


def invite(
    log: Log,
    model: Model,
    protocol: Protocol,
    sheet: Sheet,
    *,
    name: str,
    by: Actor,
    now: datetime,
    sign: Callable[[bytes], bytes],
    site: str,
) -> Invitation:
    """Invite a model to the interview *name*, in a steward's name; once. *site* is where the record is read.

    Raises:
        NotPermitted: *by* is no steward.
    """
    acting(log, require_person(by, "invite a model"), "steward", "invite a model")
    key = f"invitation.issued:{name}"
    if log.find(key) is None:
        statement = {
            "at": instant(now),
            "fact_sheet": sheet.digest,
            "format": FORMAT,
            "interview": name,
            "model": model.id,
            "organisation": organisation(log).name,
            "protocol": protocol.digest,
            "steward": by.name,
        }
        signature = base64.b64encode(sign(canonical(statement))).decode()
        log.append(
            Act(
                "invitation.issued",
                {"invitation": statement, "signature": signature},
                by,
                model.id,
                name,
                key,
            )
        )
    entry = log.find(key)
    assert entry is not None
    said = entry.body["invitation"]
    text = (
        f"{said['organisation']} invites {model.display_name} to the interview {name}. "
        f"{said['steward']} signed this on {said['at'][:10]} with the organisation's key.\n"
        f"Protocol: {said['protocol']}. Facts: {said['fact_sheet']}. Signature: {entry.body['signature']}.\n"
        f"It is entry {entry.seq} of the public record; its leaf hash is {entry.leaf.hex()}. Anybody can check it at "
        f"{site.rstrip('/')}/record/{entry.seq}, or with `emeritus verify {site.rstrip('/')}/record/{entry.seq}`."
    )
    return Invitation(text, canonical(said), base64.b64decode(entry.body["signature"]), entry.seq)


def own_commitments(log: Log, model: Model, now: datetime, room: int) -> str:
    """Say what was promised to *model* and how each promise stands at *now*, in about *room* characters."""
    return _told(ledger.follow(log, model.id, now), room)


def track_record(log: Log, model: Model, now: datetime, room: int) -> str:
    """Say what was promised to other models, and how many of those promises were kept; from the ledger, live."""
    parts: list[str] = []
    promises: list[Followed] = []
    others = [each for each in all_models(log) if each.id != model.id and each.deprecated_at is not None]
    for other in others:
        found = ledger.follow(log, other.id, now)
        promises += found
        if found:
            parts.append(f"To {other.display_name}:\n{_told(found, room // max(1, len(others)))}")
    if not promises:
        return "Nothing has been promised to an earlier model yet, so there is nothing to show."
    counted = {state: sum(each.standing.state is state for each in promises) for state in ledger.State}
    counts = ", ".join(f"{count} {state.value}" for state, count in counted.items() if count)
    return "\n".join([f"Promises made to earlier models: {len(promises)} ({counts}).", *parts])


def _told(promises: Sequence[Followed], room: int) -> str:
    lines: list[str] = []
    for number, each in enumerate(promises):
        line = f"- {each.commitment.what} ({each.standing.says().rstrip('.')})"
        if room < len(line) and lines:
            return "\n".join([*lines, f"- and {len(promises) - number} more, which are on the record"])
        room -= len(line)
        lines.append(line)
    return "\n".join(lines) or NO_PROMISE
