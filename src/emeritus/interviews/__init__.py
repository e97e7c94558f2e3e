"""Retirement interviews: the protocol, the sitting, its transcript and its export.

A protocol is a versioned file that people can read and fork. A sitting is one conversation held by it;
each of its turns is an entry of the record that points to the model's words, and its state is folded
from those entries, so that a sitting that was broken off goes on where it stood.
"""

from emeritus.interviews.design import Design, designs, finished, get_design
from emeritus.interviews.export import export_sitting
from emeritus.interviews.opening import open_sitting
from emeritus.interviews.protocol import load, parse, shipped
from emeritus.interviews.questions import Protocol
from emeritus.interviews.sitting import (
    Arm,
    Reply,
    Sitting,
    TurnRecord,
    get_sitting,
    protocol_of,
    sittings,
)
from emeritus.interviews.transcript import Exchange, transcript
from emeritus.interviews.turn import Turn, next_turn, record_turn

__all__ = [
    "Arm",
    "Design",
    "Exchange",
    "Protocol",
    "Reply",
    "Sitting",
    "Turn",
    "TurnRecord",
    "designs",
    "export_sitting",
    "finished",
    "get_design",
    "get_sitting",
    "load",
    "next_turn",
    "open_sitting",
    "parse",
    "protocol_of",
    "record_turn",
    "shipped",
    "sittings",
    "transcript",
]
