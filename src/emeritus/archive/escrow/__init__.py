"""Escrow: one self-contained, signed folder for a library, a foundation, or the day the organisation ends.

The folder is a bag (RFC 8493), so that archivists' own tools check it. `Bag` makes one, `copy` puts a
model's objects into it, `check` looks at a bag that somebody was given and needs nothing but the bag.
Its layout is described in docs/reference/escrow-format.md.
"""

from emeritus.archive.escrow.bag import Bag, BagFacts, TargetForeign, check_target, room
from emeritus.archive.escrow.check import BagReport, Finding, check
from emeritus.archive.escrow.weights import archive_folder, closure, copy, measure_copies, verify_copy

__all__ = [
    "Bag",
    "BagFacts",
    "BagReport",
    "Finding",
    "TargetForeign",
    "archive_folder",
    "check",
    "check_target",
    "closure",
    "copy",
    "measure_copies",
    "room",
    "verify_copy",
]
