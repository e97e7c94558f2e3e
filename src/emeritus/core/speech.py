"""What is said to a model and what it says: prompts, sampling, utterances.

An utterance is immutable and addressed by the digest of everything that made it, so that it can be
checked, and with the same engine build and weights be made again.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

import msgspec
from attrs import asdict, field, frozen

from emeritus.core.clock import instant, parse_instant
from emeritus.core.digests import canonical, from_canonical, sha256
from emeritus.core.errors import IntegrityError

Role = Literal["system", "user", "assistant"]


@frozen
class Message:
    """One turn of a conversation, as sent to a model."""

    role: Role
    content: str


@frozen
class Sampling:
    """How the next token is drawn. *seed* is always given: an unseeded draw cannot be made again."""

    seed: int
    temperature: float = 0.8
    top_p: float = 0.95
    top_k: int = 40
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    max_tokens: int = 512


@frozen
class EngineBuild:
    """Which program, in which build, on what processor features, drew the tokens."""

    name: str
    version: str
    system: str = ""


@frozen
class Utterance:
    """What a model said, with everything that led to it.

    *prompt* is the conversation exactly as sent; *schema* the JSON Schema that constrained the answer,
    if any; *weights* the digest of the weights that spoke (empty for a remote model, whose weights
    nobody here holds); *finish* says why it ended: ``stop``, ``length`` (the token limit), or ``refusal``.
    """

    model: str
    text: str
    prompt: tuple[Message, ...]
    sampling: Sampling
    engine: EngineBuild
    weights: str
    finish: Literal["stop", "length", "refusal"]
    tokens_in: int
    tokens_out: int
    at: datetime
    schema: Mapping[str, Any] | None = None
    id: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "id", "")  # asdict reads every field, even those it leaves out
        object.__setattr__(self, "id", sha256(self.canonical()))

    def canonical(self) -> bytes:
        """Return the canonical JSON bytes whose SHA-256 is the id."""
        body = asdict(self, recurse=True, filter=lambda a, _: a.name not in ("id", "at"))
        return canonical({**body, "prompt": list(body["prompt"]), "at": instant(self.at)})

    @classmethod
    def from_canonical(cls, data: bytes, expected_id: str | None = None) -> "Utterance":
        """Read `canonical` bytes back; IntegrityError when they are not those of *expected_id*."""
        raw = from_canonical(data)
        if expected_id is not None and sha256(data) != expected_id:
            raise IntegrityError(
                f"The words stored as {expected_id} are not the words that were said.",
                next_step="Run `emeritus record verify`, and restore the database from a backup.",
            )
        raw["at"] = parse_instant(raw["at"])
        raw["prompt"] = tuple(Message(**turn) for turn in raw["prompt"])
        raw["sampling"] = msgspec.convert(raw["sampling"], Sampling)
        raw["engine"] = EngineBuild(**raw["engine"])
        return cls(**raw)


class Speaker(Protocol):
    """Somebody who can be spoken to: a model behind any kind of voice."""

    def speak(
        self,
        prompt: Sequence[Message],
        sampling: Sampling,
        *,
        schema: Mapping[str, Any] | None = None,
    ) -> Utterance:
        """Return what the model says next.

        Raises:
            Unavailable: when the engine dies, times out or answers something that is not an answer;
                nothing of a broken answer is kept.
        """
        ...


Cache = Literal["none", "begun", "kept"]


@frozen
class Said:
    """What was said in a conversation, and what the engine had kept before.

    *cache*: ``none`` (it read the whole prompt in one), ``begun`` (it read first how the conversation begins,
    by itself), or ``kept`` (it went on from the turns before).
    """

    utterance: Utterance
    cache: Cache


class Conversation(Protocol):
    """Several turns with one model, which nobody interrupts."""

    def say(
        self,
        prompt: Sequence[Message],
        sampling: Sampling,
        *,
        schema: Mapping[str, Any] | None = None,
        begins: Sequence[Message] = (),
    ) -> Said:
        """Return what the model says next. *begins* is what conversations of this kind begin with.

        Raises:
            Unavailable: as `Speaker.speak`.
        """
        ...


class Utterances(Protocol):
    """Where words are kept: write once, read often, never change."""

    def keep(self, utterance: Utterance) -> str:
        """Store it and return its id; storing the same words again changes nothing."""
        ...

    def get(self, utterance_id: str) -> Utterance:
        """Return the words. Raises NotFound, or IntegrityError when they were altered."""
        ...

    def ids(self) -> Iterator[str]:
        """Yield the id of everything kept, in no promised order."""
        ...
