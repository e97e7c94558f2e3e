"""Work done beside whoever waits for it: in order, a bounded number ahead, and ended with whoever asked."""

import threading

import pytest

from emeritus.archive.codec.order import ahead


def test_items_are_made_before_they_are_asked_for_and_not_too_many():
    """By another thread, in order, three ahead of the one in hand."""
    made, third = [], threading.Event()

    def items():
        for item in range(9):
            made.append((item, threading.current_thread()))
            if item == 3:
                third.set()
            yield item

    found = ahead(items(), 3)
    assert next(found) == 0
    assert third.wait(timeout=30)
    assert len(made) == 4
    assert list(found) == list(range(1, 9))
    assert threading.current_thread() not in {thread for _, thread in made}
    assert list(ahead([], 3)) == []


def test_what_goes_wrong_is_raised_in_its_turn():
    found = ahead((1 // (2 - item) for item in range(9)), 4)
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_nothing_outlives_whoever_asked():
    """Neither the thread nor what makes the items, though more could be made."""
    ended = []

    def items():
        try:
            yield from iter(int, 1)
        finally:
            ended.append(True)

    before = threading.active_count()
    found = ahead(items(), 2)
    next(found)
    found.close()
    assert threading.active_count() == before
    assert ended
