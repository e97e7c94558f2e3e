"""The calls of a house with many retired models: few are popular, most are nearly forgotten, all are called in bursts."""

import random

from attrs import frozen

ZIPF = 1.0
SESSION_CALLS = 6  # a visitor asks so often, on the average
THINKING = 20.0  # seconds between an answer and the visitor's next question, on the average
ANSWERING = 4.0  # seconds of an answer, on the average
CROWD = 0.1  # so many sessions are not alone: a link was shared, and others come within a minute
CROWD_SIZE = 5
SCANS = 3  # so often somebody asks every model one question, one after the other: a study, a crawler
SCANNING = 10.0  # seconds between two of those questions, on the average


@frozen
class Call:
    """At *at* seconds *key* calls *model*; the answer takes *seconds*."""

    at: float
    model: str
    key: str
    seconds: float


def calls(models: int, sessions: int, hours: float, seed: int) -> list[Call]:
    """Return a trace in which every model is called at least once, in the order of time.

    Visitors come as they like (Poisson), choose by Zipf's law, and stay for a few questions. Gaps are drawn
    ahead, so that every policy is given the very same calls.
    """
    chance = random.Random(seed)
    weights = [1.0 / (rank + 1) ** ZIPF for rank in range(models)]
    chosen = chance.choices(range(models), weights, k=sessions - models) + list(range(models))
    found = []
    visitor = 0
    for model in chosen:
        begin = chance.uniform(0, hours * 3600)
        for _ in range(CROWD_SIZE if chance.random() < CROWD else 1):
            visitor += 1
            at = begin + (chance.uniform(0, 60) if visitor else 0)
            while True:
                seconds = chance.expovariate(1 / ANSWERING)
                found.append(Call(at, f"m{model:04}", f"k{visitor}", seconds))
                if chance.random() < 1 / SESSION_CALLS:
                    break
                at += seconds + chance.expovariate(1 / THINKING)
    return sorted(found, key=lambda call: call.at)


def scanned(trace: list[Call], models: int, hours: float, seed: int) -> list[Call]:
    """Return *trace* with scans: what they call is not called again soon, and yet it was called last."""
    chance = random.Random(seed)
    found = list(trace)
    for number in range(SCANS):
        at = chance.uniform(0, hours * 3600 - models * (SCANNING + ANSWERING))
        for model in chance.sample(range(models), models):
            seconds = chance.expovariate(1 / ANSWERING)
            found.append(Call(at, f"m{model:04}", f"scan{number}", seconds))
            at += seconds + chance.expovariate(1 / SCANNING)
    return sorted(found, key=lambda call: call.at)
