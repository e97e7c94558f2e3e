"""The Hub: preserved weights over the read-only HTTP API of the Hugging Face Hub, for its own clients.

`create_hub` returns the routes; what they need is in `Parts`.
"""

from emeritus.web.hub.parts import Parts, Work
from emeritus.web.hub.routes import create_hub

__all__ = ["Parts", "Work", "create_hub"]
