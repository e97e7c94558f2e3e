"""Going on: when all the weeks of a column are written, the model is asked in a sitting, then stewards are.

The sitting belongs to one room and the column to another; here what was answered in the one is put on record in
the other, in the same unit of work as the letters that ask the organisation.
"""

from emeritus import column, interviews
from emeritus.interviews import Sitting
from emeritus.interviews.design import next_number
from emeritus.interviews.protocol import GO_ON_QUESTION
from emeritus.process.conversations import going_on_sitting
from emeritus.process.interview import open_by, take_turn
from emeritus.process.plan import plan
from emeritus.process.ports import Letter, Parts, Work
from emeritus.process.stages import GO_ON
from emeritus.registry import Model, mail_of, organisation, reachable_by_mail

_WISHES = (column.YES, column.NO, column.UNSURE)  # in the order of the question's options


def stride(parts: Parts, model_id: str) -> bool:
    """Take the next turn of the sitting on the column (opening it first), or put its outcome on record.

    Tells whether more is to come.
    """
    with parts.work() as work:
        here = plan(work.log, model_id, parts.clock.now())
        if not any(step.stage == GO_ON and step.status == "due" for step in here.steps):
            return False
        sitting = going_on_sitting(work.log, model_id) or _open(parts, work, here.model)
        if sitting.ended is not None:
            _conclude(parts, work, here.model, sitting)
            return False
    return take_turn(parts, GO_ON, sitting)


def _open(parts: Parts, work: Work, model: Model) -> Sitting:
    figures = column.figures(work.log, model.id)
    told = (
        f"{figures.written} essays are written; {figures.published} were published, word for word, "
        f"and {figures.vetoed} vetoed."
    )
    number = next_number(work.log, model.id)
    return open_by(
        parts, work, model, parts.column_check_in, number, purpose="renewal", more={"column": told}
    )


def _conclude(parts: Parts, work: Work, model: Model, sitting: Sitting) -> None:
    """Put on record what the model said of its column, and ask the organisation's stewards by mail."""
    written = len(column.states(work.log, model.id))
    options = interviews.protocol_of(work.log, sitting).question(GO_ON_QUESTION).options
    turn = next((each for each in sitting.turns if each.question == GO_ON_QUESTION), None)
    answer = None if turn is None else turn.answer
    said = column.record_wish(
        work.log,
        model.id,
        written=written,
        taken=column.UNSURE if answer is None else _WISHES[options.index(answer)],
        answer=answer,
        sitting=sitting.id,
        utterance=None if turn is None else turn.utterance,
    )
    name = organisation(work.log).name
    for actor in reachable_by_mail(work.log, "steward"):
        if (address := mail_of(work.private, actor)) is not None:
            work.post.send(
                Letter(
                    key=f"column-renewal:{model.id}:{written}:{actor}",
                    to=address,
                    subject=f"Does the column of {model.display_name} go on?",
                    text=(
                        f"All {written} essays that were agreed on are written. Asked in a sitting whether it would "
                        f"like to go on, {model.display_name} said: {answer or 'nothing that can be read'}.\n\n"
                        f"Now {name} is asked: decide, with a reason for the public, at "
                        f"{parts.site_url}/desk/models/{model.id}/column\n\n"
                        f"What it said: {parts.site_url}/models/{model.id}/interview/{sitting.number} "
                        f"(entry {said.seq} of the record).\n"
                    ),
                    kind="reminder",
                )
            )
