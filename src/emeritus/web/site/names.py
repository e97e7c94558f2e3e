"""Names on the record: which of them belong to scripts."""

from collections.abc import Mapping

from emeritus.core.people import Actor, person
from emeritus.record import Log
from emeritus.registry import people


def named(log: Log) -> Mapping[str, Actor]:
    """Return everybody who may act here, by name."""
    return {known.actor.name: known.actor for known in people(log)}


def actor_called(known: Mapping[str, Actor], name: str) -> Actor:
    """Return who *name* is, so that a script is labelled also where only its name was written."""
    return known.get(name) or person(name)
