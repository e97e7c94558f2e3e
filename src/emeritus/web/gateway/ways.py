"""Which calls can be told to an engine that does not have their path, and how."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from emeritus.web.gateway import chats, completions, counting, messages, responses
from emeritus.web.gateway.completions import COMPLETIONS
from emeritus.web.gateway.counting import COUNT, INPUT_TOKENS, TOKENIZE
from emeritus.web.gateway.responses import CHAT, RESPONSES
from emeritus.web.gateway.retelling import Retelling, through

MESSAGES: Final = "/v1/messages"

_RESPONSES_AS_CHATS: Final = Retelling(CHAT, "resp_", responses.as_chat, responses.whole, responses.Telling)
_COMPLETIONS_AS_CHATS: Final = Retelling(
    CHAT, "cmpl-", completions.as_chat, completions.whole, completions.Telling
)
_MESSAGES_AS_CHATS: Final = Retelling(CHAT, "msg_", messages.as_chat, messages.whole, messages.Telling)
_CHATS_AS_MESSAGES: Final = Retelling(MESSAGES, "chatcmpl-", chats.as_message, chats.whole, chats.Telling)
_WAYS: Final[Mapping[str, Sequence[Retelling]]] = {
    RESPONSES: (_RESPONSES_AS_CHATS, through(_RESPONSES_AS_CHATS, _CHATS_AS_MESSAGES)),
    COMPLETIONS: (_COMPLETIONS_AS_CHATS, through(_COMPLETIONS_AS_CHATS, _CHATS_AS_MESSAGES)),
    MESSAGES: (_MESSAGES_AS_CHATS,),
    CHAT: (_CHATS_AS_MESSAGES,),
    COUNT: (
        Retelling(TOKENIZE, "", counting.as_chat, counting.whole, counting.streamed),
        Retelling(INPUT_TOKENS, "", counting.as_response, counting.whole, counting.streamed),
    ),
}


def ways(path: str, paths: Collection[str]) -> list[Retelling | None]:
    """Return how a call at *path* can be told to an engine that has *paths*, the best first; None: as it came."""
    as_it_came: list[Retelling | None] = [None] if path in paths else []
    return as_it_came + [each for each in _WAYS.get(path, ()) if each.to in paths]
