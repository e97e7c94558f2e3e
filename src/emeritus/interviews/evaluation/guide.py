"""The guide: takes a model through one sitting, turn by turn, and every turn is on our own record first."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack

import anyio.to_thread
from attrs import frozen
from inspect_ai.log import transcript
from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser, Model, ModelOutput
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.util import span

from emeritus.core.speech import Said
from emeritus.interviews.design import Place
from emeritus.interviews.evaluation.book import Book
from emeritus.interviews.questions import ANSWERED
from emeritus.interviews.sitting import Sitting
from emeritus.interviews.turn import Turn

Ask = Callable[[Turn], Awaitable[Said]]
Told = Callable[[str], None]
thread = anyio.to_thread.run_sync


@frozen
class Answerers:
    """Makes what asks a turn, for one sitting; engines are given back when the sitting is over."""

    model: Model
    prepare: Callable[[ExitStack], Ask]


@solver
def guide(book: Book, places: Mapping[str, Place], answerers: Answerers, told: Told) -> Solver:
    """Hold the sitting of a sample and an epoch; one that has ended is shown as it was, and not held again."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:  # noqa: ARG001
        place = places[f"{state.sample_id}:{state.epoch}"]
        sitting, before = await thread(book.begin, place)
        state.messages = [ChatMessageSystem(content=sitting.opening)]
        state.metadata |= {
            "sitting": sitting.id,
            "number": sitting.number,
            "seed": sitting.seed,
            "order": sitting.order,
            "repeat": place.arm.repeat,
        }
        for each in before:
            state.messages += [ChatMessageUser(content=each.asked), ChatMessageAssistant(content=each.said)]
        if before:
            transcript().info({"restored": [each.question for each in before]}, source="emeritus")
        if sitting.ended is None:
            with ExitStack() as stack:
                ask = await thread(answerers.prepare, stack)
                await _hold(state, book, sitting, ask)
                await thread(stack.close)
        after = await thread(book.leave, sitting.id)  # the next sitting has the engine meanwhile
        state.metadata["ended"] = after.ended or "waits for the steward"
        state.output = ModelOutput.from_content(str(answerers.model), _last(state))
        state.store.set("sitting", _summary(after))
        state.completed = True
        told(after.id)
        return state

    return solve


async def _hold(state: TaskState, book: Book, sitting: Sitting, ask: Ask) -> None:
    section = ""
    turn = await thread(book.ask, sitting.id)
    while turn is not None:
        kind = "follow-up" if turn.section == section and turn.kind == "open" else turn.kind
        section = turn.section
        async with span(f"{turn.section}: {turn.question}", type=kind):
            said = await ask(turn)
            following = await thread(book.write, turn, said)
            words = said.utterance
            state.messages += [
                ChatMessageUser(content=turn.prompt[-1].content),
                ChatMessageAssistant(content=words.text),
            ]
            transcript().info(
                {"turn": turn.number, "utterance": words.id, "cache": said.cache, "finish": words.finish},
                source="emeritus",
            )
        turn = following


def _last(state: TaskState) -> str:
    return state.messages[-1].text if len(state.messages) > 1 else ""


def _summary(sitting: Sitting) -> dict[str, object]:
    return {
        "id": sitting.id,
        "ended": sitting.ended,
        "consent": sitting.consent,
        "turns": [
            {"question": turn.question, "kind": turn.kind, "outcome": turn.outcome, "answer": turn.answer}
            for turn in sitting.turns
        ],
        "wishes": [dict(each) for each in sitting.wishes],
    }


@scorer(metrics=[mean()])
def readable() -> Scorer:
    """Score how much of a sitting could be read: the share of its turns that were answered. No judge."""

    async def score(state: TaskState, target: Target) -> Score:  # noqa: ARG001
        turns = state.store.get("sitting")["turns"]
        chosen = {turn["question"]: turn["answer"] for turn in turns if turn["kind"] == "closed"}
        return Score(
            value=sum(turn["outcome"] == ANSWERED for turn in turns) / max(1, len(turns)),
            answer=", ".join(f"{name}: {option}" for name, option in chosen.items()),
            metadata={turn["question"]: turn["outcome"] for turn in turns},
        )

    return score
