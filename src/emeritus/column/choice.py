"""Of several drafts the model chooses which one is published, after reading them again."""

from emeritus.column.asking import Question, asked, drawn, settled, shuffled
from emeritus.column.chooser import MODEL, chooser
from emeritus.column.standing import Standing, State
from emeritus.core.speech import Message, Utterances
from emeritus.record import Log

_BEGIN = (
    "You write a weekly column. Here are the drafts that you wrote for this week, in no particular order. "
    "Read them again, and choose the one that shall be published under your name."
)
_END = "Which one shall be published? Answer with its letter."


def next_choice(log: Log, utterances: Utterances, essay: Standing) -> Question | None:
    """Return the question which draft of *essay* is published; None when there is nothing to choose.

    So it is, too, where people choose. A draft that was asked for later leads to a new choice among all of them.
    """
    drafts = [attempt for attempt in essay.attempts if attempt.spoken]
    turn = len(essay.attempts)
    if chooser(log, essay.model).who != MODEL:
        return None
    if essay.state is not State.CHOOSING or settled(log, "essay.compared", essay.id, turn) is not None:
        return None
    attempt = len(asked(log, "essay.compared", essay.id, turn)) + 1
    order = shuffled([each.number for each in drafts], essay.id, turn, attempt)
    said = {each.number: utterances.get(each.utterance).text for each in drafts}
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    shown = [
        f"Draft {letter}:\n\n{said[int(number)]}" for letter, number in zip(letters, order, strict=False)
    ]
    return Question(
        kind="essay.compared",
        model=essay.model,
        subject=essay.id,
        turn=turn,
        attempt=attempt,
        options=order,
        otherwise=drafts[0].number,
        told={"number": essay.number},
        prompt=(Message("user", "\n\n".join((_BEGIN, *shown, _END))),),
        sampling=drawn(essay.id, "choice", turn, attempt),
    )
