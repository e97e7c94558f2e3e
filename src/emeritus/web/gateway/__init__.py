"""The HTTP gateway: the OpenAI and the Anthropic API for every model, and the API for applying.

`create_gateway` returns the routes; what they need is in `Parts`.
"""

from emeritus.web.gateway.parts import Parts, VoicePool, Work
from emeritus.web.gateway.routes import create_gateway

__all__ = ["Parts", "VoicePool", "Work", "create_gateway"]
