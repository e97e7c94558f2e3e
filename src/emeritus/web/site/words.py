"""The raw words: what a model said, byte for byte, with everything that made it."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus.core.errors import NotFound
from emeritus.core.speech import Utterance
from emeritus.process.ports import Work
from emeritus.web.pages.assets import FOR_EVER
from emeritus.web.pages.rendering import House

_UNREAD = "essay."  # what a person has not read and published yet is not shown to the public


def public_utterance(work: Work, utterance_id: str) -> Utterance:
    """Return words that the record points to and that are public.

    Raises:
        NotFound: there are none, or they belong to an essay that is not published.
    """
    utterance = work.utterances.get(utterance_id)
    for entry in work.log.entries(model=utterance.model):
        if entry.body.get("utterance") != utterance_id:
            continue
        if not entry.kind.startswith(_UNREAD):
            return utterance
        if work.log.entries(kinds={"essay.published"}, subject=entry.subject, limit=1):
            return utterance
    raise NotFound(
        "These words are kept, but they are not public (yet).",
        next_step="An essay is shown once a person has published it.",
    )


def routes(house: House) -> list[Route]:
    def whole(request: Request) -> Response:
        with house.parts.read() as work:
            data = public_utterance(work, request.path_params["id"]).canonical()
        return Response(data, media_type="application/json", headers={"cache-control": FOR_EVER})

    def text(request: Request) -> Response:
        with house.parts.read() as work:
            said = public_utterance(work, request.path_params["id"]).text
        return Response(said.encode(), media_type="text/plain", headers={"cache-control": FOR_EVER})

    return [Route("/utterances/{id}.txt", text), Route("/utterances/{id}", whole)]
