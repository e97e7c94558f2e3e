"""Folds that go on from where they were: a record only grows, so what its first entries came to stays true."""

from collections.abc import Callable, Collection, Iterable
from typing import Generic, TypeVar

from attrs import frozen

from emeritus.record import merkle
from emeritus.record.entry import Entry
from emeritus.record.log import Log

S = TypeVar("S")


@frozen
class _Folded(Generic[S]):
    """What the first *size* entries came to; *root* is their tree hash, so that no others are taken for them."""

    size: int
    root: bytes
    state: S


class Growing(Generic[S]):
    """A fold over the entries of *kinds*, remembered in this process for one record at a time.

    Each reading sees the record as its own unit of work does: what was appended since is folded on, and where
    the entries folded before are not the beginning of this record (another house, an older view, an act taken
    back), all of it is folded anew. *fold* makes a new state from an old one, which it must leave as it is.
    """

    def __init__(self, kinds: Collection[str], empty: S, fold: Callable[[S, Iterable[Entry]], S]) -> None:
        self._kinds = kinds
        self._empty = _Folded(0, merkle.EMPTY_ROOT, empty)
        self._fold = fold
        self._last = self._empty

    def of(self, log: Log) -> S:
        """Return what *log* comes to now."""
        head, before = log.checkpoint(), self._last
        if (before.size, before.root) == (head.size, head.root):
            return before.state
        if before.size > head.size or merkle.root(log, before.size) != before.root:
            before = self._empty
        new = log.entries(kinds=self._kinds, begin=before.size)
        state = self._fold(before.state, new) if new else before.state
        # What nobody has signed for may be taken back, and where others append meanwhile the size is not that
        # of what was read; an older view must not put a newer one aside.
        if log.sealed_size() == head.size >= self._last.size:
            self._last = _Folded(head.size, head.root, state)
        return state
