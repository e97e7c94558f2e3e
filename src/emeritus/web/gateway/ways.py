"""Which calls can be told to an engine that does not have their path, and how."""

from collections.abc import Collection, Mapping
from typing import Final

from emeritus.web.gateway import chats, messages, responses
from emeritus.web.gateway.responses import CHAT, RESPONSES
from emeritus.web.gateway.retelling import Retelling, through

MESSAGES: Final = "/v1/messages"

_RESPONSES_AS_CHATS: Final = Retelling(CHAT, "resp_", responses.as_chat, responses.whole, responses.Telling)
_MESSAGES_AS_CHATS: Final = Retelling(CHAT, "msg_", messages.as_chat, messages.whole, messages.Telling)
_CHATS_AS_MESSAGES: Final = Retelling(MESSAGES, "chatcmpl-", chats.as_message, chats.whole, chats.Telling)
_WAYS: Final[Mapping[str, tuple[Retelling, ...]]] = {
    RESPONSES: (_RESPONSES_AS_CHATS, through(_RESPONSES_AS_CHATS, _CHATS_AS_MESSAGES)),
    MESSAGES: (_MESSAGES_AS_CHATS,),
    CHAT: (_CHATS_AS_MESSAGES,),
}


def way(path: str, paths: Collection[str]) -> Retelling | None:
    """Return how a call at *path* is told to an engine that has *paths*; None where there is no way."""
    return next((each for each in _WAYS.get(path, ()) if each.to in paths), None)
