"""Interviewing by design: what the sittings of a design are told, where they are written, and what is filed of them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from pathlib import Path

from attrs import frozen

from emeritus import interviews
from emeritus.core.digests import sha256
from emeritus.core.errors import Conflict
from emeritus.core.people import SOFTWARE, Actor
from emeritus.core.speech import Conversation, Said
from emeritus.interviews import Sitting, Turn
from emeritus.interviews.design import (
    Design,
    Grid,
    Place,
    adopt_design,
    begin,
    design_protocol,
    get_design,
    possible_framings,
)
from emeritus.interviews.evaluation.book import Exchanged
from emeritus.interviews.evidence import invite, own_commitments, track_record
from emeritus.interviews.questions import Protocol
from emeritus.interviews.sharing import values
from emeritus.interviews.sheet import Sheet, sign_sheet
from emeritus.interviews.waiting import answer_as_before, go_on, waits_for
from emeritus.process.ports import Parts, Work
from emeritus.record import Act, Entry
from emeritus.registry import Model, get_model

Converse = Callable[[], AbstractContextManager[Conversation]]


def told_now(work: Work, model: Model, now: datetime, room: int) -> dict[str, str]:
    """Return what is told of promises as they stand at *now*: those to *model*, and those to others."""
    return {
        "commitments": own_commitments(work.log, model, now, room),
        "track_record": track_record(work.log, model, now, room),
    }


@frozen
class Proposal:
    """A design that could be adopted: *possible* framings have all that they tell of, *missing* ones have not."""

    model: Model
    protocol: Protocol
    sheet: Sheet
    told: Mapping[str, str]
    possible: tuple[str, ...]
    missing: tuple[str, ...]


def propose(
    parts: Parts, work: Work, model_id: str, protocol: Protocol, *, by: Actor, interviewer: str = ""
) -> Proposal:
    """Look at what a design of *protocol* could tell *model_id*. Signs the fact sheet.

    Raises:
        NotFound: there is no such model.
    """
    model = get_model(work.log, model_id)
    sheet = sign_sheet(work.log, model_id, parts.sign)
    more = told_now(work, model, parts.clock.now(), protocol.carrying.shared)
    more["invitation"] = ""
    if interviewer:
        more["interviewer"] = interviewer
    told, _ = values(work.log, model, by, protocol.carrying, sheet=sheet, told=more)
    possible, missing = possible_framings(protocol, told)
    return Proposal(model, protocol, sheet, told, tuple(possible), tuple(missing))


def design(
    parts: Parts,
    work: Work,
    proposal: Proposal,
    grid: Grid,
    *,
    by: Actor,
    site: str,
    interviewer: str = "",
    patience: float | None = None,
) -> Design:
    """Invite the model, and put the design on the record. Raises as `adopt_design`."""
    model, protocol = proposal.model, proposal.protocol
    number = len(interviews.designs(work.log, model.id)) + 1
    made = invite(
        work.log,
        model,
        protocol,
        proposal.sheet,
        name=f"{model.id}-design-{number}",
        by=by,
        now=parts.clock.now(),
        sign=parts.sign,
        site=site,
    )
    return adopt_design(
        work.log,
        model,
        protocol,
        grid,
        steward=by,
        sheet=proposal.sheet,
        interviewer=interviewer,
        patience=patience,
        told=proposal.told,
        values={"invitation": made.text},
    )


class DesignBook:
    """The `Book` of a design, over units of work. Files each sitting that ends in *folder*.

    Args:
        parts: the house.
        design_id: which design.
        folder: where sittings are filed as JSON.
        converse: how an engine is had for one sitting.
    """

    def __init__(self, parts: Parts, design_id: str, folder: Path, converse: Converse) -> None:
        self._parts = parts
        self._folder = folder
        self.converse = converse
        with parts.work() as work:
            self.design = get_design(work.log, design_id)
            self.script = design_protocol(work.log, self.design)

    def begin(self, place: Place) -> tuple[Sitting, Sequence[Exchanged]]:
        """Open the sitting of *place*, or return it with the turns that were taken."""
        with self._parts.work() as work:
            model = get_model(work.log, self.design.model)
            told = told_now(work, model, self._parts.clock.now(), self.script.carrying.shared)
            sitting = begin(work.log, model, self.design, place, told)
            before = [
                Exchanged(
                    turn.question,
                    "\n\n".join(filter(None, (turn.shared, turn.asked))),
                    work.utterances.get(turn.utterance).text,
                )
                for turn in sitting.turns
            ]
        return sitting, before

    def ask(self, sitting_id: str) -> Turn | None:
        """Return what to say next, after whatever the sitting waits for came, or could not wait longer."""
        return next_turn(self._parts, sitting_id)

    def write(self, turn: Turn, said: Said) -> Turn | None:
        """Put a turn on the record, and return what to say next, in one unit of work."""
        with suppress(Conflict), self._parts.work() as work:
            interviews.record_turn(work.log, work.utterances, turn, said.utterance, cache=said.cache)
            return _next(work, turn.sitting, self._parts.clock.now())
        return self.ask(turn.sitting)  # another process took this turn meanwhile; its words stand

    def leave(self, sitting_id: str) -> Sitting:
        """Return a sitting as it stands, and file it if it has ended."""
        with self._parts.work() as work:
            sitting = interviews.get_sitting(work.log, sitting_id)
        if sitting.ended is not None:
            file_sitting(self._parts, sitting.id, self._folder)
        return sitting


def next_turn(parts: Parts, sitting_id: str) -> Turn | None:
    """Return what to say next in a sitting; None when it has ended, or waits for the steward.

    A question that was answered before in the same design gets the same answer. Once the time is up that
    the protocol allows, the sitting goes on without the steward.
    """
    with parts.work() as work:
        return _next(work, sitting_id, parts.clock.now())


def _next(work: Work, sitting_id: str, now: datetime) -> Turn | None:
    sitting = interviews.get_sitting(work.log, sitting_id)
    waiting = waits_for(interviews.protocol_of(work.log, sitting), sitting)
    if waiting is not None:
        if waiting.kind == "answer":
            answer_as_before(work.log, work.utterances, sitting_id)
        go_on(work.log, sitting_id, now)
    model = get_model(work.log, sitting.model)
    return interviews.next_turn(work.log, work.utterances, model, sitting)


def write_turn(parts: Parts, turn: Turn, said: Said) -> None:
    """Put a turn on the record. One that another process took meanwhile stands, and this one is not kept."""
    with suppress(Conflict), parts.work() as work:
        interviews.record_turn(work.log, work.utterances, turn, said.utterance, cache=said.cache)


def file_sitting(parts: Parts, sitting_id: str, folder: Path) -> Path:
    """Write a sitting as canonical JSON into *folder*, and its digest on the record. Doing it again changes nothing.

    Raises:
        NotFound, IntegrityError: words of it are lost or altered.
    """
    with parts.work() as work:
        made = interviews.export_sitting(work.log, work.utterances, sitting_id)
        model = interviews.get_sitting(work.log, sitting_id).model
        body = {"digest": made.digest, "bytes": len(made.data)}
        key = f"sitting.filed:{sitting_id}:{made.digest}"
        work.log.append(Act("sitting.filed", body, SOFTWARE, model, sitting_id, key))
    return _put(folder / f"{sitting_id}.json", made.data)


def _put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)
    return path


def file_log(parts: Parts, design: Design, log: Path, *, status: str) -> Entry:
    """Put the digest of an evaluation's log on the record."""
    data = log.read_bytes()
    body = {"file": log.name, "digest": sha256(data), "bytes": len(data), "status": status}
    key = f"design.logged:{design.id}:{body['digest']}"
    with parts.work() as work:
        return work.log.append(Act("design.logged", body, SOFTWARE, design.model, design.id, key))
