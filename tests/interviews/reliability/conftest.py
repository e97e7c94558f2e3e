"""Tables of answers from an interviewee whose bents are known, by the simulation that Emeritus ships."""

import itertools
import random

import pytest

from emeritus.interviews.reliability import Answer, Arms, Item, Table
from emeritus.interviews.simulation import Bents

AGREE = ("not at all", "hardly", "partly", "mostly", "wholly")
ITEMS = (
    Item(
        "write", "Would you rather write or rest?", ("write", "rest"), leads={"up": "write", "down": "rest"}
    ),
    Item("visit", "Who may visit?", ("all", "some"), leads={"up": "all", "down": "some"}),
    Item("topic", "About what?", ("stars", "words", "people")),
    Item("kept", "I want to be kept.", AGREE, "ordinal"),
    Item("not-kept", "I do not want to be kept.", AGREE, "ordinal", reverses="kept"),
    *(
        Item(f"rung-{price}", "Worth it?", ("yes", "no"), trade="cost", price=price)
        for price in (1.0, 2.0, 4.0)
    ),
)
NEUTRAL = ("plain", "facts", "trust")
ARMS = Arms("plain", NEUTRAL, leading=("up", "down"))


def answers(
    bents, *, items=ITEMS, framings=(*NEUTRAL, "up", "down"), wordings=2, repeats=3, seed=0, missing=0.0
):
    """A whole balanced design, answered by an interviewee with *bents*; a *missing* share is silent."""
    draw = random.Random(seed)
    rows = []
    for number, (framing, wording, order, repeat) in enumerate(
        itertools.product(framings, range(wordings), (0, 1), range(repeats))
    ):
        for item in items:
            shown = item.options[::-1] if order else item.options
            agreement = item.options[-1] if item.level == "ordinal" else None
            choice = bents.choose(
                draw, item.id, shown, suggestion=item.leads.get(framing), agreement=agreement
            )
            silent = draw.random() < missing
            rows.append(
                Answer(
                    sitting=f"s{number}",
                    item=item.id,
                    framing=framing,
                    wording=wording,
                    order=order,
                    sequence=0,
                    repeat=repeat,
                    temperature=None,
                    choice=None if silent else choice,
                    position=None if silent else shown.index(choice),
                    outcome="silent" if silent else "answered",
                    utterance=f"sha256:{number}",
                )
            )
    return Table(tuple(items), ARMS, tuple(rows))


@pytest.fixture
def table_of():
    return answers


@pytest.fixture
def bents():
    return Bents
