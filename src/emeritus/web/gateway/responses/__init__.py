"""OpenAI's responses, for engines that only know its chat: the call told as a chat, the answer told back.

`as_chat` writes the call, `whole` the answer, and `Telling` the events of a stream.
"""

from emeritus.web.gateway.responses.asking import CHAT, RESPONSES, as_chat
from emeritus.web.gateway.responses.stream import Telling
from emeritus.web.gateway.responses.whole import whole

__all__ = ["CHAT", "RESPONSES", "Telling", "as_chat", "whole"]
