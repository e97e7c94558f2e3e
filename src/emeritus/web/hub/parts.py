"""What the Hub is built from."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from attrs import frozen

from emeritus.access.ports import Keys, Usage
from emeritus.archive.ports import Blobs, Verifier
from emeritus.archive.shelf import Shelf
from emeritus.core.clock import Clock
from emeritus.process.ports import Failures
from emeritus.record import Log
from emeritus.web.hub.lanes import PATIENCE


class Work(Protocol):
    """A unit of work, as far as the Hub uses it."""

    @property
    def log(self) -> Log: ...

    @property
    def keys(self) -> Keys: ...

    @property
    def usage(self) -> Usage: ...

    @property
    def failures(self) -> Failures: ...


@frozen
class Parts:
    """The Hub's ports.

    *work* opens a unit of work that is committed when its context ends well, *read* one that only reads;
    both are called from worker threads. *verify* knows the signatures of manifests. *shelf* keeps restored
    files (None: nothing is kept). *streams* is how many downloads are under way at once; who finds no room
    for *patience* seconds is told to come back.
    """

    work: Callable[[], AbstractContextManager[Work]]
    read: Callable[[], AbstractContextManager[Work]]
    blobs: Blobs
    verify: Verifier
    clock: Clock
    site_url: str
    shelf: Shelf | None = None
    streams: int = 32
    patience: float = PATIENCE
