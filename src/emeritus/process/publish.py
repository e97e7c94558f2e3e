"""Publish: software drafts an essay when one is due; a person reads it, and a person publishes it."""

from emeritus import column, ledger
from emeritus.core.clock import Clock
from emeritus.core.people import Actor
from emeritus.process.plan import plan
from emeritus.process.ports import Parts, Work
from emeritus.process.stretch import ask_due
from emeritus.record import Entry
from emeritus.registry import get_model

STAGE = "draft"
