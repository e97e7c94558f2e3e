"""The loops over numbers: compiled where numba is there, in numpy where it is not; the same bytes."""

import os
from functools import cache
from typing import Any

from emeritus.archive.codec import plain


@cache
def loops() -> Any:
    """Return `compiled` or, without numba or with ``EMERITUS_PLAIN_CODEC=1``, `plain`."""
    if os.environ.get("EMERITUS_PLAIN_CODEC") == "1":
        return plain
    try:
        from emeritus.archive.codec import compiled  # noqa: PLC0415 - numba takes long to import
    except (ImportError, OSError, RuntimeError):
        return plain
    return compiled
