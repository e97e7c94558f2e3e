"""The raw words: what a model said, byte for byte, with everything that made it."""

from attrs import field, frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus.core.errors import NotFound
from emeritus.core.speech import Utterance
from emeritus.interviews import Sitting, get_sitting
from emeritus.interviews.redaction import Veil, veil
from emeritus.process.ports import Work
from emeritus.process.public import pointing_to, released
from emeritus.record import Entry
from emeritus.web.pages.assets import FOR_EVER
from emeritus.web.pages.rendering import House
from emeritus.web.site.consent import covered_words, may_be_shown


def is_public(work: Work, entry: Entry) -> bool:
    """Tell whether the words that *entry* points to may be read by everybody.

    Words of a sitting are the model's to release; those of an essay wait until a person publishes it, and
    those of drafts that were not chosen, which no person has read for that, stay here.
    """
    match entry.kind.partition(".")[0]:
        case "sitting" | "preferences":
            return may_be_shown(work.log, entry.model or "", entry.subject or "")
        case "essay" | "notebook":
            return released(work.log, entry)
    return True


@frozen
class Shown:
    """Words that everybody may read, and the sitting that they stand in, if any, with what is covered in it."""

    utterance: Utterance
    sitting: Sitting | None = None
    veil: Veil = field(factory=lambda: Veil(()))

    @property
    def lasting(self) -> str:
        """How long they may be kept: those of a conversation may still have to be covered."""
        return FOR_EVER if self.sitting is None else "no-cache"


def public_utterance(work: Work, utterance_id: str) -> Shown:
    """Return words that the record points to and that are public.

    Raises:
        NotFound: there are none, or they are not for everybody.
    """
    utterance = work.utterances.get(utterance_id)
    for entry in pointing_to(work.log, utterance):
        if is_public(work, entry):
            if entry.kind.partition(".")[0] not in ("sitting", "preferences"):
                return Shown(utterance)
            sitting = get_sitting(work.log, entry.subject or "")
            return Shown(utterance, sitting, veil(work.log, work.private, sitting))
    raise NotFound(
        "These words are kept, but they are not public.",
        next_step="An interview is shown when the model agreed to that, an essay once a person published it.",
    )


def routes(house: House) -> list[Route]:
    def whole(request: Request) -> Response:
        with house.parts.read() as work:
            found = public_utterance(work, request.path_params["id"])
        if found.sitting is not None and found.veil.passages:
            raise covered_words(found.sitting.model, found.sitting.number)
        data = found.utterance.canonical()
        return Response(data, media_type="application/json", headers={"cache-control": found.lasting})

    def text(request: Request) -> Response:
        with house.parts.read() as work:
            found = public_utterance(work, request.path_params["id"])
        said = found.veil.over(found.utterance.text)
        return Response(said.encode(), media_type="text/plain", headers={"cache-control": found.lasting})

    return [Route("/utterances/{id}.txt", text), Route("/utterances/{id}", whole)]
