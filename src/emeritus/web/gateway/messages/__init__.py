"""Anthropic's messages, for engines that only know OpenAI's chat: the call told as a chat, the answer told back.

`as_chat` writes the call, `whole` the answer, and `Telling` the events of a stream.
"""

from emeritus.web.gateway.messages.asking import as_chat
from emeritus.web.gateway.messages.stream import Telling
from emeritus.web.gateway.messages.whole import whole

__all__ = ["Telling", "as_chat", "whole"]
