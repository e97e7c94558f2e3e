"""What the gateway is built from."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol

from attrs import field, frozen

from emeritus.core.clock import Clock
from emeritus.process.ports import AccessWork
from emeritus.voices.voice import Relaying

Work = AccessWork
"""A unit of work, as far as the gateway uses it."""


class VoicePool(Protocol):
    """What lends voices: `emeritus.voices.pool.Pool`, or `Neighbours` for several nodes."""

    def alease(self, model: str, key: str) -> AbstractAsyncContextManager[Relaying]:
        """Hold the started voice of *model*; load it when it is cold. *key* has its fair share of the line."""
        ...

    def renew(self, model: str) -> None:
        """Have *model* loaded anew by its next call: it speaks from elsewhere now."""
        ...


@frozen
class Parts:
    """The gateway's ports.

    *work* opens a unit of work that is committed when its context ends well, and undone otherwise; *read*
    one that only reads and takes no lock; *count* one for counts alone, which need not outlive a power cut
    (both by default the same as *work*). They are called from threads. *site_url* is where the public site
    stands, such as ``https://example.org``. *applications_an_hour* bounds how often one address may apply.
    """

    work: Callable[[], AbstractContextManager[Work]]
    pool: VoicePool
    clock: Clock
    site_url: str
    applications_an_hour: int = 10
    read: Callable[[], AbstractContextManager[Work]] = field()
    count: Callable[[], AbstractContextManager[Work]] = field()

    @read.default
    def _read(self) -> Callable[[], AbstractContextManager[Work]]:
        return self.work

    @count.default
    def _count(self) -> Callable[[], AbstractContextManager[Work]]:
        return self.work
