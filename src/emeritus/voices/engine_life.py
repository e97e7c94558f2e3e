"""The life of an engine: started when somebody needs it, started anew when it has died, ended for good once."""

import threading
from collections.abc import Callable
from pathlib import Path

from emeritus.voices.engine_process import EngineProcess
from emeritus.voices.errors import CALL_AGAIN, EngineDied, EngineNotStarted, VoiceClosed, VoiceError


class EngineLife:
    """At most one running process over the weights at *path*, made by *begin*. Safe from threads.

    Hold `guard` to do something with the process that must not meet its start or its end.
    """

    def __init__(self, who: str, path: Path, begin: Callable[[], EngineProcess]) -> None:
        self._who = who
        self._path = path
        self._begin = begin
        self.guard = threading.RLock()
        self.process: EngineProcess | None = None
        self.closed = False

    @property
    def alive(self) -> bool:
        process = self.process
        return not self.closed and process is not None and process.alive

    def running(self) -> EngineProcess:
        """Return the process; start one when there is none that lives.

        Raises:
            VoiceClosed: after `close`. EngineNotStarted: the weights are not there. Others: as `EngineProcess`.
        """
        with self.guard:
            if self.closed:
                raise VoiceClosed(
                    f"{self._who} has been stopped.", next_step="Ask the pool for the voice again."
                )
            if self.process is not None and self.process.alive:
                return self.process
            if self.process is not None:
                self.process.close()
            if not self._path.exists():
                raise EngineNotStarted(
                    f"{self._who} has no weights: {self._path.name} is not there.",
                    next_step="Restore them with `emeritus archive restore`.",
                )
            self.process = self._begin()
            return self.process

    def close(self) -> None:
        """End it for good; one that is just starting too."""
        self.closed = True
        process = self.process
        if process is not None and process.alive:
            process.close()
        with self.guard:
            if self.process is not None:
                self.process.close()

    def log(self) -> tuple[str, ...]:
        """Return the last lines that the engine logged, for people who look for a fault."""
        return self.process.log() if self.process is not None else ()

    def died(self, process: EngineProcess) -> VoiceError:
        """Return the error for an answer that broke off."""
        ended = process.how_it_ended()
        how = f"stopped in mid-answer ({ended})" if ended else "broke off in mid-answer"
        return EngineDied(f"{self._who} {how}; nothing of the answer was kept.", next_step=CALL_AGAIN)
