"""Many small questions to a store: one after the other while it is at hand, several at a time over a network."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import TypeVar

QUICK = 0.001
"""Seconds. Threads that take turns with the interpreter's lock cost more than what takes less than this."""

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def several(work: Callable[[_In], _Out], items: Iterable[_In], at_once: int = 8) -> Iterator[_Out]:
    """Yield ``work(item)`` for each item in order; after the first that is not quick, *at_once* at a time.

    Raises what *work* raises.
    """
    left = iter(items)
    for item in left:
        began = perf_counter()
        done = work(item)
        is_quick = perf_counter() - began < QUICK
        yield done
        if not is_quick:
            break
    with ThreadPoolExecutor(at_once, thread_name_prefix="archive-look") as pool:
        yield from pool.map(work, left)
