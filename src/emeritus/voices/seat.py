"""What the schedule speaks of: limits, seats, orders."""

from typing import Literal

from attrs import define, frozen

from emeritus.voices.voice import Voice

Event = Literal["loading", "loaded", "failed", "died", "evicted", "idle", "stopped"]
State = Literal["weighing", "weighed", "fetching", "fetched", "starting", "warm", "leaving"]


@frozen
class Limits:
    """What the schedule keeps to. Times in seconds.

    *memory*: bytes for all voices together; None for no bound. *idle*: a voice without calls for so long is
    stopped. *wait*: longest time in the line, not counting the model's own loading. *turn*: a model that is
    being called keeps its room for so long, or for three times what its load takes, when others wait for
    it. *least*: shortest time that a model stays loaded. *places* in the line, *places_per_key*; *ahead*:
    how many models are fetched before there is room for them.
    """

    memory: int | None = None
    idle: float = 300.0
    wait: float = 60.0
    turn: float = 15.0
    least: float = 0.0
    places: int = 2048
    places_per_key: int = 1024
    ahead: int = 2


@define(eq=False)
class Seat:
    """A model in the house, from the moment that it is to be loaded until it is gone."""

    model: str
    state: State
    since: float
    memory: int = 0
    slots: int = 0
    running: int = 0
    used: float = 0.0
    yields: bool = False
    promised: bool = False
    stale: bool = False
    voice: Voice | None = None

    def has_slot(self) -> bool:
        """Tell whether one more call may go in."""
        return self.state == "warm" and not self.yields and (not self.slots or self.running < self.slots)


@frozen
class Order:
    """Something to do: *weigh*, *fetch* or *start* a seat, *stop* it (and say *kind* and *why*)."""

    what: Literal["weigh", "fetch", "start", "stop"]
    seat: Seat
    kind: Event = "loading"
    why: str = ""
