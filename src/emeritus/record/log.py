"""The port of the log: what every room writes its acts to."""

from collections.abc import Collection, Sequence
from typing import Protocol

from emeritus.record.checkpoint import Checkpoint
from emeritus.record.entry import Act, Entry
from emeritus.record.merkle import Nodes
from emeritus.record.tiles import Tiles


class Log(Nodes, Tiles, Protocol):
    """The append-only log, inside one unit of work."""

    def append(self, act: Act) -> Entry:
        """Put *act* on the record and return its entry.

        When *act* has a key that stands already: the same act returns the entry that is there.

        Raises:
            Conflict: another act stands under the same key.
            Unavailable: the clock is behind the last entry by more than a moment.
        """
        ...

    def append_many(self, acts: Sequence[Act]) -> Sequence[Entry]:
        """Put *acts* on the record, in their order, as `append` does, but much faster.

        Raises:
            Conflict, Unavailable: as `append`; then none of them is on the record.
        """
        ...

    def entries(
        self,
        *,
        model: str | None = None,
        kinds: Collection[str] | None = None,
        subject: str | None = None,
        begin: int = 0,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Sequence[Entry]:
        """Return the entries with ``seq >= begin`` that match, in their order on the record."""
        ...

    def find(self, key: str) -> Entry | None:
        """Return the entry written under the idempotency key *key*."""
        ...

    def get(self, seq: int) -> Entry:
        """Return the entry at *seq*. Raises NotFound."""
        ...

    def size(self) -> int:
        """Return the number of entries."""
        ...

    def checkpoint(self) -> Checkpoint:
        """Return what the log is now."""
        ...

    def signed_checkpoint(self) -> str:
        """Return the newest signed note; its size is that of the log."""
        ...

    def sealed_size(self) -> int:
        """Return how many entries a signed note stands for: fewer than `size` in the middle of a unit of work."""
        ...

    def cosigned_checkpoint(self) -> str | None:
        """Return the newest signed note that a witness cosigned too."""
        ...
