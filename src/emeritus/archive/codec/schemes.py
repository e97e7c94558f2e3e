"""What a frame can be written as."""

from enum import IntEnum
from typing import Literal

from attrs import frozen

Profile = Literal["dense", "fast"]
"""``dense``: the smallest; ``fast``: nearly as small, and quicker to restore."""


class Encoding(IntEnum):
    """How a frame is written. Numbers from 16 to 31 are differences against another object."""

    RAW = 0
    ZSTD = 1
    PLANES = 2
    ROTATED_PLANES = 3

    @property
    def needs_base(self) -> bool:
        """Whether the bytes of another object are needed to decode."""
        return self >= 16


@frozen
class Scheme:
    """An encoding, and the widths in bytes of the fields that repeat, where the encoding parts them.

    *alone* is what a difference falls back to where there is no base or where alone is smaller.
    """

    encoding: Encoding
    fields: tuple[int, ...] = ()
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
