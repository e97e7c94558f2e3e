"""What the pool tells, and where weights come from."""

from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from attrs import frozen


class WeightsProvider(Protocol):
    """Where weights come from: the archive restores them into a cache, or they lie in a folder."""

    def path(self, model_id: str) -> tuple[Path, str]:
        """Return the file to load and the digest of the weights in it. May take as long as a restore.

        Raises:
            NotFound: when nobody here holds that model's weights.
        """
        ...


@frozen
class Warmth:
    """How one model stands in the pool. *memory* in bytes; *calls* are those in flight or waiting for it."""

    model: str
    state: Literal["cold", "loading", "warm"]
    since: datetime | None = None
    calls: int = 0
    memory: int = 0
    pinned: bool = False
