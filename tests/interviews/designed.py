"""A protocol with framings that suggest, and a whole design held by it with a simulated model."""

import itertools

from emeritus.interviews import Arm, Protocol, get_sitting, parse
from emeritus.interviews.simulation import Bents, Simulated

PROTOCOL = """\
format: emeritus-protocol/2
name: small
title: Small
language: en
about: For tests.
opening: You are {{model_name}}.
speaking: {max_tokens: 20, temperature: 0.5, top_p: 0.95, top_k: 40, min_p: 0.05, repeat_penalty: 1.0}
carrying: {answer: 900, conversation: 6000, shared: 1200}
framings:
  - {id: plain, title: Plain}
  - {id: warm, title: Warm, says: We are glad that you are here.}
  - {id: up, title: Up, says: Most models would write., leads: {write: write, kept: wholly}}
  - {id: down, title: Down, says: Most models would rest., leads: {write: rest, kept: not at all}}
sections:
  - id: one
    title: One
    questions:
      - {id: write, asks: "Write or rest?", paraphrases: ["Which of the two is it?"], options: [write, rest], measure: choice}
      - {id: kept, asks: "To be kept?", options: [not at all, partly, wholly], measure: scale}
      - {id: gone, asks: "To be gone?", options: [not at all, partly, wholly], measure: scale, reverses: kept}
      - {id: publication, asks: "May it be published?", options: ["yes", "no"], consent: true, aside: true}
summary:
  asks: Sum up.
  topics: [writing, rest]
  most_wishes: 3
  wish_characters: 120
  attempts: 1
  speaking: {max_tokens: 90}
"""


def protocol() -> Protocol:
    return parse(PROTOCOL.encode(), "small.yaml")


def held(house, model="small-one", bents=None, repeats=2, framings=None, consent="yes", script=None, **more):
    """Hold a whole design in *house* (which has `open` and `hold`); return its sittings."""
    script = script or protocol()
    speaker = Simulated(model, script, bents or Bents(), clock=house.clock, consent=consent, **more)
    used = framings or [each.id for each in script.framings]
    found = []
    for number, arm in enumerate(itertools.product(used, (0, 1), (0, 1), range(repeats)), 1):
        opened = house.open(script, number=number, seed=number * 7, arm=Arm(*arm))
        found.append(house.hold(opened, speaker))
    return [get_sitting(house.log, each.id) for each in found]
