"""Arrays that a thread uses again and again, since fresh ones cost more than what is done with them."""

import threading
from typing import Any

import numpy as np

from emeritus.archive.codec.arrays import Array

_spare = threading.local()


def scratch(what: str, size: int, dtype: "np.dtype[Any] | type[Any]") -> Array:
    """Return *size* elements that hold anything, good until this thread asks for the same again."""
    held: dict[tuple[str, Any], Array] = _spare.__dict__.setdefault("held", {})
    key = what, np.dtype(dtype)
    if key not in held or held[key].size < size:
        held[key] = np.empty(size, dtype)
    return held[key][:size]
