"""OpenAI's chats, for engines that only know Anthropic's messages: the call told as a message, the answer told back.

`as_message` writes the call, `whole` the answer, and `Telling` the events of a stream.
"""

from emeritus.web.gateway.chats.asking import as_message
from emeritus.web.gateway.chats.stream import Telling
from emeritus.web.gateway.chats.whole import whole

__all__ = ["Telling", "as_message", "whole"]
