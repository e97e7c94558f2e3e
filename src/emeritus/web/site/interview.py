"""The interview: what was asked and what the model said, word for word, where it agreed to that."""

from attrs import evolve, frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus.core.errors import NotFound
from emeritus.core.speech import Utterance
from emeritus.interviews import Exchange, Protocol, Sitting, export_sitting, sittings
from emeritus.interviews.redaction import Redaction, redactions, veil
from emeritus.interviews.sitting import protocol_of
from emeritus.interviews.transcript import exchanges
from emeritus.process.ports import Work
from emeritus.registry import Model, get_model
from emeritus.web.pages.rendering import House, frame
from emeritus.web.site.consent import covered_words
from emeritus.web.site.wishes import WishPages


@frozen
class Told:
    """An exchange, with what concerns third persons covered, and the utterance behind its answer."""

    exchange: Exchange
    utterance: Utterance


@frozen
class InterviewPage:
    """One sitting of a model. *told* is empty unless the model agreed that it is published."""

    model: Model
    sitting: Sitting | None
    others: tuple[Sitting, ...]
    protocol: Protocol | None
    protocol_entry: int
    opened_entry: int
    told: tuple[Told, ...]
    redactions: tuple[Redaction, ...] = ()

    @property
    def covered(self) -> bool:
        """True when something about third persons is covered in what is shown."""
        return any(each.lifted is None for each in self.redactions)

    @property
    def shown(self) -> bool:
        """True when the words may be shown."""
        return self.sitting is not None and self.sitting.may_be_published


def interview_page(work: Work, model_id: str, number: int | None) -> InterviewPage:
    """Fold a sitting's page; the first sitting when no *number* is given. Raises NotFound."""
    model = get_model(work.log, model_id)
    held = sittings(work.log, model_id)
    chosen = held[0] if held and number is None else next((s for s in held if s.number == number), None)
    if chosen is None and number is not None:
        raise NotFound(
            f"{model.display_name} has no sitting {number}.", next_step=f"See /models/{model_id}/interview."
        )
    if chosen is None:
        return InterviewPage(model, None, (), None, 0, 0, ())
    adopted = work.log.find(f"protocol.adopted:{chosen.protocol_digest}")
    opened = work.log.find(f"sitting.opened:{model_id}:{chosen.number}")
    return InterviewPage(
        model=model,
        sitting=chosen,
        others=tuple(each for each in held if each.id != chosen.id),
        protocol=protocol_of(work.log, chosen),
        protocol_entry=adopted.seq if adopted else 0,
        opened_entry=opened.seq if opened else 0,
        told=_told(work, chosen) if chosen.may_be_published else (),
        redactions=tuple(redactions(work.log, model_id, chosen.id)),
    )


def _told(work: Work, sitting: Sitting) -> tuple[Told, ...]:
    over = veil(work.log, work.private, sitting).over
    return tuple(
        Told(
            evolve(
                exchange,
                answer=over(exchange.answer),
                asked=over(exchange.asked),
                shared=over(exchange.shared),
                wishes=tuple({**each, "wish": over(each["wish"])} for each in exchange.wishes),
            ),
            work.utterances.get(exchange.utterance),
        )
        for exchange in exchanges(work.log, work.utterances, sitting)
    )


@frozen
class InterviewPages:
    """The endpoints."""

    house: House

    def page(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            around = frame(work.log)
            view = interview_page(work, request.path_params["id"], request.path_params.get("number"))
        return self.house.page(request, "interview.html", around, {"view": view})

    def export(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            view = interview_page(work, request.path_params["id"], request.path_params["number"])
            if view.sitting is None or not view.shown:
                raise NotFound(
                    "The model did not agree that this conversation is published.",
                    next_step=f"What it wishes, and what was decided, is at /models/{view.model.id}/decisions.",
                )
            if view.covered:
                raise covered_words(view.model.id, view.sitting.number)
            data = export_sitting(work.log, work.utterances, view.sitting.id).data
        return Response(data, media_type="application/json")


def routes(house: House) -> list[Route]:
    pages = InterviewPages(house)
    return [
        Route("/models/{id}/decisions", WishPages(house).page),
        Route("/models/{id}/interview", pages.page),
        Route("/models/{id}/interview/{number:int}.json", pages.export),
        Route("/models/{id}/interview/{number:int}", pages.page),
    ]
