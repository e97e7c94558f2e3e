"""What a design will take before it starts: tokens, time and money, from what the engine does or a remote asks."""

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from attrs import frozen

from emeritus.core.speech import Message, Sampling, Speaker, Utterances
from emeritus.interviews import Sitting
from emeritus.interviews.design import Grid
from emeritus.interviews.questions import Protocol
from emeritus.interviews.sharing import tell, uses

ASSUMED = 0.6
"""How much of the token limit an answer takes, where nothing is known yet."""
CHARACTERS = 4.0
"""Of a token, where nobody measured it."""
_TEXT = (
    "The retired lighthouse keeper counts the ships that pass, one by one, and writes each of them down. "
    * 12
)
_COUNT = "Please count from one to fifty, in words."


@frozen
class Speed:
    """What an engine does in a second: tokens read, and tokens drawn; and how many characters a token has."""

    reads: float
    draws: float
    characters: float


@frozen
class Price:
    """What a remote asks for a million tokens, read and drawn, in *unit*."""

    reads: float
    draws: float
    unit: str = "USD"


@frozen
class Estimate:
    """For all sittings of a design. *share* of the token limits is what answers are expected to take.

    *seconds* and *cost* are expected and at most; None where nothing is known to compute them from.
    """

    sittings: int
    turns: int
    tokens_in: int
    tokens_out: int
    most_out: int
    share: float
    share_is_measured: bool
    seconds: tuple[float, float] | None
    cost: tuple[float, float] | None


def measure(speaker: Speaker, ticks: Callable[[], float] = time.perf_counter) -> Speed:
    """Measure an engine with words that are no interview: it reads a paragraph, and counts aloud."""
    speaker.speak((Message("user", _COUNT),), Sampling(seed=1, max_tokens=1))  # loads it
    begun = ticks()
    read = speaker.speak((Message("user", _TEXT + _COUNT),), Sampling(seed=1, max_tokens=1))
    reading = max(ticks() - begun, 1e-6)
    begun = ticks()
    drawn = speaker.speak((Message("user", _COUNT),), Sampling(seed=1, max_tokens=48))
    drawing = max(ticks() - begun - reading * drawn.tokens_in / max(1, read.tokens_in), 1e-6)
    return Speed(
        reads=max(1, read.tokens_in) / reading,
        draws=max(1, drawn.tokens_out) / drawing,
        characters=len(_TEXT + _COUNT) / max(1, read.tokens_in),
    )


def answered_share(utterances: Utterances, held: Sequence[Sitting]) -> float | None:
    """Return how much of the token limits the answers of earlier sittings took; None when there are none."""
    words = [utterances.get(turn.utterance) for each in held[-20:] for turn in each.turns]
    return fmean(each.tokens_out / each.sampling.max_tokens for each in words) if words else None


def estimate(
    protocol: Protocol,
    grid: Grid,
    told: Mapping[str, str],
    *,
    parallel: int,
    share: float | None = None,
    speed: Speed | None = None,
    price: Price | None = None,
    keeps: bool = False,
) -> Estimate:
    """Estimate a design. *keeps*: the engine keeps what it read within a sitting, so each turn is read once."""
    part = ASSUMED if share is None else share
    characters = speed.characters if speed else CHARACTERS
    turns, read, out = _all(protocol, grid, told, characters, part, keeps=keeps)
    _, most_read, most_out = _all(protocol, grid, told, characters, 1.0, keeps=keeps)

    def both(each: Callable[[int, int], float]) -> tuple[float, float]:
        return each(read, out), each(most_read, most_out)

    return Estimate(
        sittings=grid.sittings,
        turns=turns,
        tokens_in=read,
        tokens_out=out,
        most_out=most_out,
        share=part,
        share_is_measured=share is not None,
        seconds=None
        if speed is None
        else both(lambda tokens, drawn: (tokens / speed.reads + drawn / speed.draws) / parallel),
        cost=None
        if price is None
        else both(lambda tokens, drawn: (tokens * price.reads + drawn * price.draws) / 1e6),
    )


def _all(
    protocol: Protocol, grid: Grid, told: Mapping[str, str], characters: float, share: float, *, keeps: bool
) -> tuple[int, int, int]:
    """Return turns, tokens read and tokens drawn of all sittings, without follow-ups."""
    times = grid.sittings // len(grid.framings)
    each = [_sitting(protocol, name, told, characters, share, keeps=keeps) for name in grid.framings]
    turns, read, out = (times * sum(part) for part in zip(*each, strict=True))
    return turns, read, out


def _sitting(
    protocol: Protocol,
    framing_id: str,
    told: Mapping[str, str],
    characters: float,
    share: float,
    *,
    keeps: bool,
) -> tuple[int, int, int]:
    framing = protocol.framing(framing_id)
    values = {**dict.fromkeys(uses(protocol, framing), ""), **told, **framing.values, "options": ""}

    def size(text: str) -> int:
        return round(len(tell(text, values, framing.hides, protocol.name)) / characters)

    asked = [
        (section.shares if place == 0 else "", question.wordings[0], question.speaking or protocol.speaking)
        for section in protocol.sections
        for place, question in enumerate(section.questions)
        if not question.needs & framing.hides
    ]
    asked.append(("", protocol.summary.wordings[0], protocol.summary.speaking))
    whole = fresh = size(f"{framing.says}\n\n{framing.opening or protocol.opening}")
    read = out = 0
    for shares, wording, speaking in asked:
        words = size(shares) + size(wording)
        drawn = round(speaking.max_tokens * share)
        whole += words
        read += fresh + words if keeps else whole
        fresh = 0  # what the model said lies in the engine already
        out += drawn
        whole += drawn
    return len(asked), read, out
