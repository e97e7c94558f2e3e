"""Small questions to a store: in turn while that is quick, at once when it is not."""

import threading

import pytest

from emeritus.archive import several as several_module
from emeritus.archive.several import several


def test_quick_work_is_done_in_turn_by_whoever_asks(monkeypatch):
    """No thread is started for it."""
    monkeypatch.setattr(several_module, "QUICK", float("inf"))
    threads = set()

    def work(item: int) -> int:
        threads.add(threading.current_thread())
        return 2 * item

    assert list(several(work, range(5))) == [0, 2, 4, 6, 8]
    assert threads == {threading.current_thread()}


def test_slow_work_is_done_at_once_and_comes_in_order(monkeypatch):
    """The three items after the first meet at a barrier, which none of them could pass alone."""
    monkeypatch.setattr(several_module, "QUICK", 0.0)
    together = threading.Barrier(3)

    def work(item: int) -> int:
        if item:
            together.wait(timeout=30)
        return item

    assert list(several(work, range(4), 3)) == [0, 1, 2, 3]


@pytest.mark.parametrize("quick", [0.0, float("inf")])
def test_what_goes_wrong_is_raised(monkeypatch, quick):
    """Either way; and nothing is done for nothing."""
    monkeypatch.setattr(several_module, "QUICK", quick)
    with pytest.raises(ZeroDivisionError):
        list(several(lambda item: 1 // (2 - item), range(4)))
    assert list(several(lambda item: item, [])) == []
