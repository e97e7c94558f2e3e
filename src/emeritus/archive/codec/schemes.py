"""What a frame can be written as."""

from enum import IntEnum
from typing import Literal

from attrs import field, frozen

Profile = Literal["dense", "fast"]
"""``dense``: the smallest; ``fast``: nearly as small, and quicker to restore."""


class Encoding(IntEnum):
    """How a frame is written. Numbers from 16 to 31 are differences against another object."""

    RAW = 0
    ZSTD = 1
    PLANES = 2
    ROTATED_PLANES = 3
    NUMBERS = 4
    FIELDS = 5
    COLUMNS = 6
    DIFFERENCE = 16

    @property
    def needs_base(self) -> bool:
        """Whether the bytes of another object are needed to decode."""
        return self >= 16


@frozen
class Scheme:
    """An encoding, and what it needs to know.

    *fields*: widths in bytes of what repeats, in number of bytes. *row*: how many numbers stand in a row of
    the tensor. *hints*: for each field, the one that tells of it. *level*: of zstd. *contexts*: how many a
    difference may have. *share*: what it was expected to leave of the bytes. *alone*: what a difference falls
    back to where there is no base or where alone is smaller.
    """

    encoding: Encoding
    fields: tuple[int, ...] = ()
    row: int = 0
    hints: tuple[int, ...] = ()
    level: int = 1
    contexts: int = 12
    share: float = field(default=1.0, eq=False)
    alone: "Scheme | None" = None

    @property
    def stride(self) -> int:
        return sum(self.fields)

    @property
    def needs_base(self) -> bool:
        """Whether frames of this scheme may be differences."""
        return self.encoding.needs_base


RAW = Scheme(Encoding.RAW)
ZSTD = Scheme(Encoding.ZSTD)


class Undecodable(ValueError):
    """Bytes that no encoder of this format wrote."""
