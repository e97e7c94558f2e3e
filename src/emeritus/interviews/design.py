"""A design: which sittings are held, in which framing, wording and order, how often, and with which seeds.

It is generated, and stands on the record with every arm and seed before the first word is said, so that
nobody can hold sittings until some of them please.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import asdict, frozen

from emeritus.core.errors import Conflict, InvalidInput, NotFound
from emeritus.core.people import Actor, require_person
from emeritus.interviews.opening import adopt_protocol, open_sitting, required
from emeritus.interviews.protocol import parse
from emeritus.interviews.questions import NO_VALUES, Protocol
from emeritus.interviews.sharing import require_told, uses
from emeritus.interviews.sheet import Sheet, signed_sheet
from emeritus.interviews.sitting import MOST_ORDERS, Arm, Sitting, sittings
from emeritus.record import Act, Entry, Log
from emeritus.registry import Model
from emeritus.registry.organisation import acting

MOST_SITTINGS = 2000
MOST_REPEATS = 100
_MINE = 1
"""The number of a model's sitting that software holds as part of the retirement: no design takes it."""


@frozen
class Grid:
    """What a design varies. A cell is a framing, a wording and a temperature; all of them are crossed.

    Order 1 turns options round; with 4 orders questions are turned round too, where their order means
    nothing. Orders are *crossed* too, so that each cell has every order in each repetition; or they move on
    with the repetition, so that each cell has every order as often as another, or once more. With no more
    repetitions than orders a cell keeps its order, for its repetitions to be repetitions (see `ties_orders`).
    A temperature of None is the protocol's own.
    """

    framings: tuple[str, ...]
    wordings: int = 1
    orders: int = 2
    repeats: int = 1
    temperatures: tuple[float | None, ...] = (None,)
    crossed: bool = False

    @property
    def sittings(self) -> int:
        """How many sittings it takes."""
        cells = len(self.framings) * self.wordings * len(self.temperatures)
        return cells * self.repeats * (self.orders if self.crossed else 1)

    @property
    def moves(self) -> bool:
        """Whether orders move on with the repetition."""
        return not self.crossed and self.repeats > self.orders

    @property
    def ties_orders(self) -> bool:
        """Whether, within a framing, a wording comes in one order only, so that neither can be told apart there."""
        return self.orders > 1 and not self.crossed and not self.moves


@frozen
class Place:
    """One sitting of a design: its number among the model's sittings, its arm and its base seed."""

    number: int
    arm: Arm
    seed: int


@frozen
class Design:
    """A design as the record tells of it. *values* are told in all its sittings."""

    id: str
    model: str
    protocol: str
    protocol_digest: str
    sheet: str
    steward: Actor
    interviewer: str
    patience: float | None
    seed: int
    places: tuple[Place, ...]
    values: Mapping[str, str]
    at: datetime
    entry: int

    def name(self, place: Place) -> str:
        """Return the id of a place's sitting."""
        return f"{self.model}-sitting-{place.number}"


def arms(grid: Grid) -> list[Arm]:
    """Return every arm of a grid, in the order in which they are held.

    Repetitions come first and framings next, so that sittings which begin with the same words follow each
    other. Each framing, wording and temperature sees each order equally often, or once more than another.
    """
    return [
        Arm(framing, wording, (place + wording + heat + step) % grid.orders, repeat, temperature)
        for repeat in range(grid.repeats)
        for place, framing in enumerate(grid.framings)
        for heat, temperature in enumerate(grid.temperatures)
        for wording in range(grid.wordings)
        for step in (range(grid.orders) if grid.crossed else (repeat if grid.moves else 0,))
    ]


def seed_of(base: int, arm: Arm) -> int:
    """Return the base seed of an arm's sitting: the first 31 bits of SHA-256 over what it is."""
    heat = "" if arm.temperature is None else f"{arm.temperature:g}"
    text = f"{base}:{arm.framing}:{arm.wording}:{arm.order}:{arm.repeat}:{heat}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def possible_framings(protocol: Protocol, told: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the framings for which everything is there that they tell of, and those for which it is not."""
    there: list[str] = []
    missing: list[str] = []
    for framing in protocol.framings:
        (missing if uses(protocol, framing) - told.keys() else there).append(framing.id)
    return there, missing


def check(protocol: Protocol, grid: Grid, told: Mapping[str, str]) -> None:
    """Raise InvalidInput when *grid* is no design for *protocol*."""
    if not grid.framings or len(set(grid.framings)) < len(grid.framings):
        raise InvalidInput("A design has framings, each once.", next_step="Name each framing once.")
    for name in grid.framings:
        require_told(protocol, protocol.framing(name), told)
    bounds = (
        ("wordings", grid.wordings, protocol.wordings),
        ("orders", grid.orders, MOST_ORDERS),
        ("repeats", grid.repeats, MOST_REPEATS),
        ("temperatures", len(grid.temperatures), 20),
    )
    for name, count, most in bounds:
        if not 1 <= count <= most or (name == "orders" and count == 3):
            raise InvalidInput(
                f"{protocol.name} cannot be held with {count} {name}.",
                next_step=f"Choose 1 to {most}" + (", but not 3." if name == "orders" else "."),
            )
    heats = [heat for heat in grid.temperatures if heat is not None]
    if len(set(grid.temperatures)) < len(grid.temperatures) or not all(0 <= heat <= 2 for heat in heats):
        raise InvalidInput("Temperatures are from 0 to 2, each once.", next_step="Choose others.")
    if grid.sittings > MOST_SITTINGS:
        raise InvalidInput(
            f"That is {grid.sittings} sittings; a design has at most {MOST_SITTINGS}.",
            next_step="Vary less, or repeat less often.",
        )


def adopt_design(
    log: Log,
    model: Model,
    protocol: Protocol,
    grid: Grid,
    *,
    steward: Actor,
    sheet: Sheet,
    interviewer: str = "",
    patience: float | None = None,
    told: Mapping[str, str] = NO_VALUES,
    values: Mapping[str, str] = NO_VALUES,
) -> Design:
    """Put a design on the record, in a steward's name, before the first of its sittings.

    Args:
        log: the record.
        model: who is asked.
        protocol: by what.
        grid: what is varied.
        steward: in whose name.
        sheet: the signed fact sheet that all its sittings share.
        interviewer: who asks, in framings that name somebody else.
        patience: hours that a sitting waits for the steward, instead of the protocol's own.
        told: every value that there is for placeholders, to refuse framings that need more.
        values: those among them that stay the same in all its sittings.

    Raises:
        InvalidInput: no design for this protocol. NotPermitted: *steward* is none.
        Conflict: another design of this model is not finished.
    """
    acting(log, require_person(steward, "design an interview"), "steward", "design an interview")
    check(protocol, grid, told)
    standing = designs(log, model.id)
    if standing and not finished(log, standing[-1]):
        raise Conflict(
            f"{standing[-1].id} is not finished.",
            next_step=f"Hold its sittings, `emeritus interview run {model.id}`, or close it.",
        )
    number = len(standing) + 1
    name = f"{model.id}-design-{number}"
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") >> 1
    first = next_number(log, model.id)
    places = [Place(first + i, arm, seed_of(seed, arm)) for i, arm in enumerate(arms(grid))]
    adopt_protocol(log, protocol, steward)
    body = {
        "number": number,
        "protocol": protocol.name,
        "protocol_version": protocol.version,
        "protocol_digest": protocol.digest,
        "sheet": sheet.digest,
        "interviewer": interviewer,
        "patience": patience,
        "varied": {
            "framings": list(grid.framings),
            "wordings": grid.wordings,
            "orders": grid.orders,
            "repeats": grid.repeats,
            "temperatures": list(grid.temperatures),
            "crossed": grid.crossed,
        },
        "seed": seed,
        "values": dict(values),
        "sittings": [{"number": each.number, "seed": each.seed, **asdict(each.arm)} for each in places],
    }
    entry = log.append(Act("design.adopted", body, steward, model.id, name, f"design.adopted:{name}"))
    return _design(entry)


def next_number(log: Log, model: str) -> int:
    """Return the number of the next sitting: above all that were held, and all that designs will hold."""
    held = [each.number for each in sittings(log, model)]
    planned = [place.number for design in designs(log, model) for place in design.places]
    return max([_MINE, *held, *planned]) + 1


def designs(log: Log, model: str) -> list[Design]:
    """Return every design of a model, in order."""
    return [_design(entry) for entry in log.entries(model=model, kinds={"design.adopted"})]


def get_design(log: Log, design_id: str) -> Design:
    """Return a design. Raises NotFound."""
    for entry in log.entries(subject=design_id, kinds={"design.adopted"}) if design_id else ():
        return _design(entry)
    raise NotFound(
        f"There is no design {design_id[:120]!r}.", next_step="Make one: `emeritus interview design MODEL`."
    )


def finished(log: Log, design: Design) -> bool:
    """Tell whether all sittings of a design have ended, or a steward closed it."""
    if log.find(f"design.closed:{design.id}") is not None:
        return True
    ended = {each.id for each in sittings(log, design.model) if each.ended is not None}
    return all(design.name(place) in ended for place in design.places)


def close_design(log: Log, design_id: str, *, by: Actor, why: str) -> Entry:
    """Give up the sittings of a design that were not held, as a steward, for a reason that is public.

    Raises:
        InvalidInput: no reason. NotPermitted: *by* is no steward. NotFound: there is no such design.
    """
    acting(log, require_person(by, "close a design"), "steward", "close a design")
    design = get_design(log, design_id)
    if not why.strip() or len(why) > 2000:
        raise InvalidInput(
            "Sittings that were announced are not held: that has a reason.", next_step="Give one: --why."
        )
    ended = {each.id for each in sittings(log, design.model) if each.ended is not None}
    left = [place.number for place in design.places if design.name(place) not in ended]
    body = {"why": why.strip(), "not_held": left}
    return log.append(Act("design.closed", body, by, design.model, design.id, f"design.closed:{design.id}"))


def begin(log: Log, model: Model, design: Design, place: Place, told: Mapping[str, str]) -> Sitting:
    """Open the sitting of a place, or return it as it stands. *told* are values as they are now."""
    protocol = design_protocol(log, design)
    values = required(protocol, place.arm.framing, {**told, **design.values})
    named = required(protocol, place.arm.framing, {"interviewer": design.interviewer})
    return open_sitting(
        log,
        model,
        protocol,
        steward=design.steward,
        seed=place.seed,
        number=place.number,
        arm=place.arm,
        design=design.id,
        sheet=signed_sheet(log, model.id, design.sheet),
        interviewer=named.get("interviewer", ""),
        patience=design.patience,
        told=values,
    )


def design_protocol(log: Log, design: Design) -> Protocol:
    """Return the protocol of *design* as it was adopted."""
    entry = log.find(f"protocol.adopted:{design.protocol_digest}")
    assert entry is not None
    return parse(entry.body["text"].encode(), f"{design.protocol}.yaml")


def held(log: Log, design: Design) -> dict[str, Sitting]:
    """Return the sittings of a design that were opened, by their id."""
    return {each.id: each for each in sittings(log, design.model) if each.design == design.id}


def _design(entry: Entry) -> Design:
    body: Mapping[str, Any] = entry.body
    return Design(
        id=entry.subject or "",
        model=entry.model or "",
        protocol=body["protocol"],
        protocol_digest=body["protocol_digest"],
        sheet=body["sheet"],
        steward=entry.by,
        interviewer=body["interviewer"],
        patience=body["patience"],
        seed=body["seed"],
        places=tuple(_place(each) for each in body["sittings"]),
        values=body["values"],
        at=entry.at,
        entry=entry.seq,
    )


def _place(raw: Mapping[str, Any]) -> Place:
    arm = Arm(raw["framing"], raw["wording"], raw["order"], raw["repeat"], raw["temperature"])
    return Place(raw["number"], arm, raw["seed"])


def order_of_work(design: Design, opened: Mapping[str, Sitting]) -> Sequence[Place]:
    """Return the places that are still to be held, in the design's own order."""
    return [
        place
        for place in design.places
        if (sitting := opened.get(design.name(place))) is None or sitting.ended is None
    ]
