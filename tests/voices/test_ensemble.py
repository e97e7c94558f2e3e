"""Several engines of one model, each had alone for a conversation."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from emeritus.core.errors import IntegrityError
from emeritus.core.speech import Message, Sampling
from emeritus.voices import Ensemble
from emeritus.voices.fakes import FakeVoice


class Loader:
    """Makes voices, and counts those that were let go."""

    def __init__(self) -> None:
        self.made: list[FakeVoice] = []
        self.gone = 0

    def __call__(self) -> FakeVoice:
        self.made.append(FakeVoice("m"))
        return self.made[-1]

    def let_go(self) -> None:
        self.gone += 1


def test_no_voice_has_two_conversations_at_once():
    """As many voices as there are conversations at a time, made when they are needed, each let go once."""
    load, together = Loader(), threading.Barrier(2)

    def talk(_: int) -> str:
        with ensemble.conversation() as talk:
            together.wait(10)
            return talk.say([Message("user", "Hello")], Sampling(seed=1)).utterance.text

    with Ensemble(load, 2, let_go=load.let_go) as ensemble, ThreadPoolExecutor(4) as callers:
        assert ensemble.voices == ()
        assert len(set(callers.map(talk, range(4)))) == 1
        assert len(load.made) == len(ensemble.voices) == 2
        assert load.gone == 0
    assert load.gone == 2
    assert not any(voice.alive for voice in load.made)


def test_whom_nobody_vouches_for_never_speaks():
    """A voice over weights that are not what they have to be is stopped, and the next caller gets another one."""
    load, faults = Loader(), [IntegrityError("It has decayed.", next_step="Restore it.")]

    def vouch() -> None:
        if faults:
            raise faults.pop()

    with Ensemble(load, 1, vouch=vouch, let_go=load.let_go) as ensemble:
        with pytest.raises(IntegrityError), ensemble.conversation():
            pass
        assert (load.gone, ensemble.voices) == (1, ())
        with ensemble.conversation() as talk:
            assert talk.say([Message("user", "Hello")], Sampling(seed=1)).utterance.text
        assert ensemble.voices == (load.made[1],)
    assert load.gone == 2
