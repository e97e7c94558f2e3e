"""Several turns with one engine, which keeps what it computed for the turns before, so that the words come again.

What is kept of a prompt changes the last digits of what follows, and now and then a word. But the same steps,
in the same order, from the same beginning, give the same digits. So a conversation has its engine alone, and takes
steps that depend on nothing but itself: first the engine reads how the conversation begins, by itself; then the
rest of the first prompt; then each turn goes on from what is there. Conversations that begin with the same words
share their beginning: it was read in the same step, whoever came before.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from attrs import evolve

from emeritus.core.speech import Cache, Conversation, Message, Said, Sampling, Utterance
from emeritus.voices.engine_process import EngineProcess
from emeritus.voices.voice import Voice

READ_ONLY = Sampling(seed=0, max_tokens=0)


def converse(voice: Voice) -> AbstractContextManager[Conversation]:
    """Return a conversation with *voice*: its own kind where it has one, else each turn by itself."""
    own = getattr(voice, "conversation", None)
    found: AbstractContextManager[Conversation] = nullcontext(Separate(voice)) if own is None else own()
    return found


class Separate:
    """A conversation with a voice that keeps nothing from turn to turn, or does not say what it keeps."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice

    def say(
        self,
        prompt: Sequence[Message],
        sampling: Sampling,
        *,
        schema: Mapping[str, Any] | None = None,
        begins: Sequence[Message] = (),  # noqa: ARG002
    ) -> Said:
        """Return what the model says next. Raises as `Voice.speak`."""
        return Said(self._voice.speak(prompt, sampling, schema=schema), "none")


class OneSlot(Protocol):
    """An engine of one slot, as far as a conversation that has it alone goes."""

    begun: tuple[int, tuple[Message, ...]] | None
    """The engine's process, and how the conversation began that lies in its cache, read by itself."""

    @property
    def threads(self) -> int:
        """How many threads draw; another number of them can change the words."""
        ...

    def settled(self) -> EngineProcess:
        """Return the running engine, with nothing left in it of other callers. Raises as `Voice.start`."""
        ...

    def draw(
        self,
        process: EngineProcess,
        prompt: Sequence[Message],
        sampling: Sampling,
        schema: Mapping[str, Any] | None,
        *,
        cache: bool,
    ) -> Utterance:
        """Return what the model says next; *cache*: go on from what the engine kept. Raises as `Voice.speak`."""
        ...


class KeptConversation:
    """A conversation with an engine of one slot, which nobody else uses meanwhile."""

    def __init__(self, voice: OneSlot) -> None:
        self._voice = voice
        self._process: EngineProcess | None = None

    def say(
        self,
        prompt: Sequence[Message],
        sampling: Sampling,
        *,
        schema: Mapping[str, Any] | None = None,
        begins: Sequence[Message] = (),
    ) -> Said:
        """Return what the model says next, and whether the turns before were kept. Raises as `Voice.speak`."""
        voice, process = self._voice, self._voice.settled()
        cache: Cache = "kept" if self._process is process else "begun" if begins else "none"
        self._process = None  # until this turn came whole
        if cache == "begun":
            beginning = (process.pid, tuple(begins))
            read, voice.begun = voice.begun == beginning, None
            voice.draw(process, begins, READ_ONLY, None, cache=read)
            voice.begun = beginning
        elif cache == "none":
            voice.begun = None
        said = voice.draw(process, prompt, sampling, schema, cache=cache != "none")
        self._process = process
        system = f"{said.engine.system}; threads: {voice.threads}; prompt cache: {cache}"
        return Said(evolve(said, engine=evolve(said.engine, system=system)), cache)
