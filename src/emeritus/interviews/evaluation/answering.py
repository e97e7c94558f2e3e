"""Who answers: a model of the house, through a model API of our own; or any model that Inspect AI speaks to."""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import anyio.to_thread
from attrs import define
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    Model,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    ResponseSchema,
    StopReason,
    get_model,
    modelapi,
)
from inspect_ai.tool import ToolChoice, ToolInfo
from inspect_ai.util import JSONSchema

from emeritus.core.clock import Clock
from emeritus.core.errors import Unavailable
from emeritus.core.speech import Conversation, EngineBuild, Message, Said, Utterance
from emeritus.interviews.evaluation.extra import inspect_version
from emeritus.interviews.turn import Turn

HOUSE = "emeritus"
ATTEMPTS = 3
_FINISH: Mapping[str, str] = {"content_filter": "refusal", "max_tokens": "length", "model_length": "length"}
_STOP: Mapping[str, StopReason] = {"stop": "stop", "length": "max_tokens", "refusal": "content_filter"}


@define
class _Asking:
    """The turn that is being asked in this task, and what came of it."""

    turn: Turn
    talk: Conversation
    said: Said | None = None


_asking: ContextVar[_Asking] = ContextVar("asking")


@modelapi(name=HOUSE)
class HouseModel(ModelAPI):
    """A model of the house. It answers within a sitting only, in that sitting's own conversation."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008  (the signature of Inspect's own)
        parallel: int = 1,
    ) -> None:
        super().__init__(model_name, base_url, api_key, [], config)
        self._parallel = parallel

    def max_connections(self) -> int:
        """Return how many sittings are held at the same time."""
        return self._parallel

    async def generate(
        self,
        input: list[ChatMessage],  # noqa: A002, ARG002
        tools: list[ToolInfo],  # noqa: ARG002
        tool_choice: ToolChoice,  # noqa: ARG002
        config: GenerateConfig,  # noqa: ARG002
    ) -> ModelOutput:
        """Have the model say the turn; an engine that dies is started and asked again, a few times."""
        asking = _asking.get()
        asking.said = await anyio.to_thread.run_sync(_say, asking.talk, asking.turn)
        return _output(self.model_name, asking.said.utterance)


def _say(talk: Conversation, turn: Turn) -> Said:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return talk.say(turn.prompt, turn.sampling, schema=turn.schema, begins=turn.begins)
        except Unavailable:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError


def _output(name: str, utterance: Utterance) -> ModelOutput:
    message = ChatMessageAssistant(content=utterance.text, model=name, source="generate")
    tokens_in, tokens_out = utterance.tokens_in, utterance.tokens_out
    return ModelOutput(
        model=name,
        choices=[ChatCompletionChoice(message=message, stop_reason=_STOP[utterance.finish])],
        usage=ModelUsage(
            input_tokens=tokens_in, output_tokens=tokens_out, total_tokens=tokens_in + tokens_out
        ),
        metadata={"utterance": utterance.id},
    )


def house_model(model_id: str, parallel: int) -> Model:
    """Return Inspect's view of a model of the house."""
    return get_model(f"{HOUSE}/{model_id}", memoize=False, parallel=parallel)


async def ask_house(model: Model, talk: Conversation, turn: Turn) -> Said:
    """Ask a model of the house. Raises Unavailable when its engine keeps dying."""
    asking = _Asking(turn, talk)
    token = _asking.set(asking)
    try:
        await model.generate(messages(turn.prompt), config=_config(turn, extra=True))
    finally:
        _asking.reset(token)
    assert asking.said is not None
    return asking.said


async def ask_provider(model: Model, turn: Turn, known_as: str, clock: Clock) -> Said:
    """Ask a model that one of Inspect's providers serves; its words are kept under the id *known_as*."""
    output = await model.generate(messages(turn.prompt), config=_config(turn, extra=False))
    usage = output.usage or ModelUsage()
    cached = (usage.input_tokens_cache_read or 0) + (usage.input_tokens_cache_write or 0)
    utterance = Utterance(
        model=known_as,
        text=output.completion,
        prompt=turn.prompt,
        sampling=turn.sampling,
        engine=EngineBuild(
            "inspect-ai",
            inspect_version(),
            f"provider and model {model}, answered as {output.model!r}; not sent: min_p, repeat_penalty",
        ),
        weights="",
        finish=_finish(output.stop_reason),
        tokens_in=usage.input_tokens + cached,
        tokens_out=usage.output_tokens,
        at=clock.now(),
        schema=turn.schema,
    )
    return Said(utterance, "none")


def _finish(reason: str) -> Any:
    return _FINISH.get(reason, "stop")


def messages(prompt: tuple[Message, ...]) -> list[ChatMessage]:
    """Return a prompt as Inspect's messages."""
    made: list[ChatMessage] = []
    for turn in prompt:
        match turn.role:
            case "system":
                made.append(ChatMessageSystem(content=turn.content))
            case "assistant":
                made.append(ChatMessageAssistant(content=turn.content))
            case _:
                made.append(ChatMessageUser(content=turn.content))
    return made


def _config(turn: Turn, *, extra: bool) -> GenerateConfig:
    """Return how a turn is drawn, in Inspect's words; *extra* adds, for the log, what it has no words for."""
    sampling = turn.sampling
    more = {"min_p": sampling.min_p, "repeat_penalty": sampling.repeat_penalty}
    shape = None
    if turn.schema is not None:
        schema = JSONSchema.model_validate(_without_const(turn.schema))
        shape = ResponseSchema(name="answer", json_schema=schema, strict=True)
    return GenerateConfig(
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        seed=sampling.seed,
        response_schema=shape,
        extra_body=more if extra else None,
    )


def _without_const(schema: Any) -> Any:
    """Return a JSON Schema that says ``enum`` where it said ``const``, which Inspect does not know."""
    if isinstance(schema, Mapping):
        return {
            ("enum" if name == "const" else name): [part] if name == "const" else _without_const(part)
            for name, part in schema.items()
        }
    if isinstance(schema, list | tuple):
        return [_without_const(part) for part in schema]
    return schema
