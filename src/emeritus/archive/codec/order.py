"""Work done by several threads, taken in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")
_END: Final[Any] = object()


def ordered(pool: Executor, work: Callable[[_In], _Out], items: Iterable[_In], ahead: int) -> Iterator[_Out]:
    """Yield ``work(item)`` for each item in order, with at most *ahead* of them under way."""
    waiting: deque[Future[_Out]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def ahead(items: Iterable[_In], count: int) -> Generator[_In, None, None]:
    """Yield *items*, which a thread of its own makes, *count* of them before they are asked for.

    Whoever may stop before the end closes this generator: it ends the thread, and *items* if that is a generator.
    Raises what *items* raises, in its turn.
    """
    left = iter(items)
    pool = ThreadPoolExecutor(1, thread_name_prefix="archive-ahead")
    waiting = deque(pool.submit(next, left, _END) for _ in range(count))
    try:
        while (item := waiting.popleft().result()) is not _END:
            waiting.append(pool.submit(next, left, _END))
            yield item
    finally:
        pool.shutdown(cancel_futures=True)
        if isinstance(left, Generator):
            left.close()
