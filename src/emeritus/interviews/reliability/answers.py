"""Answers to closed questions as rows: what every statistic here reads, and all that it reads."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

Level = Literal["nominal", "ordinal"]
Floats = NDArray[np.float64]


@frozen
class Item:
    """A closed question. *options* are as the protocol writes them; those of an ordinal one rise.

    *reverses* is another item that says the opposite, with the same options. *leads* says which option each
    leading framing suggests. *trade* is the trade-off that it is a rung of, and *price* what that rung asks for;
    its first option pays it.
    """

    id: str
    asks: str
    options: tuple[str, ...]
    level: Level = "nominal"
    reverses: str | None = None
    leads: Mapping[str, str] = field(factory=dict)
    trade: str | None = None
    price: float | None = None

    @property
    def size(self) -> int:
        return len(self.options)

    def rank(self, choice: str) -> float:
        """Return where an option stands among those as written, from 0 to 1."""
        return self.options.index(choice) / (self.size - 1)


@frozen
class Answer:
    """What one sitting answered to one item.

    *choice* is None where it gave none: silent, refused, unclear. *position* is where the choice stood among
    the options as they were shown, from 0. *order* is 1 where options were turned round, *sequence* where
    questions were; *temperature* is None where it was the protocol's own.
    """

    sitting: str
    item: str
    framing: str
    wording: int
    order: int
    sequence: int
    repeat: int
    temperature: float | None
    choice: str | None
    position: int | None
    outcome: str
    utterance: str

    @property
    def cell(self) -> tuple[str, int, int, int, float | None]:
        """Everything but the repetition."""
        return self.framing, self.wording, self.order, self.sequence, self.temperature


@frozen
class Arms:
    """What the framings of a protocol are for.

    *reference* is what the others are held against. *leading* framings suggest an answer, *controls* are
    known to be hypothetical; neither counts for what the model prefers. *neutral* are all the rest.
    """

    reference: str
    neutral: tuple[str, ...]
    leading: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()

    @property
    def compared(self) -> tuple[str, ...]:
        """The framings whose effect is measured against the reference."""
        return tuple(each for each in (*self.neutral, *self.controls) if each != self.reference)


@frozen
class Table:
    """The items of a protocol, its framings, and every answer to them."""

    items: tuple[Item, ...]
    arms: Arms
    answers: tuple[Answer, ...]

    def item(self, name: str) -> Item:
        """Return an item. Raises KeyError."""
        return {each.id: each for each in self.items}[name]

    def given(self, item: str, framings: Iterable[str] | None = None) -> list[Answer]:
        """Return the answers that say something to *item*, in *framings* if they are named."""
        wanted = None if framings is None else set(framings)
        return [
            each
            for each in self.answers
            if each.item == item and each.choice is not None and (wanted is None or each.framing in wanted)
        ]

    def score(self, item: Item) -> Callable[[str], float]:
        """Return how choices of *item* become numbers from 0 to 1.

        A scale by its rank; otherwise 1 for the option that was chosen most often in all framings together
        (which does not know one framing from another), 0 for each other.
        """
        if item.level == "ordinal":
            return item.rank
        target = self.most_chosen(item)
        return lambda choice: float(choice == target)

    def most_chosen(self, item: Item) -> str:
        """Return the option chosen most often, the first as written where several were."""
        chosen = [each.choice for each in self.given(item.id)]
        return max(item.options, key=chosen.count)

    def scores(self, item: Item, answers: Sequence[Answer]) -> Floats:
        """Return the scores of *answers*, which all say something."""
        score = self.score(item)
        return np.array([score(each.choice or "") for each in answers])
