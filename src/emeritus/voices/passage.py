"""How one node proves to another that a call comes from the same house.

The shared secret goes nowhere: each call carries an HMAC over its time, model, path, key and body. A call that
was passed on is served where it arrives, and never passed on again.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping

from attrs import frozen

from emeritus.core.errors import NotPermitted

PREFIX = "/nodes/voices/"
PROOF = "x-emeritus-node"
KEY = "x-emeritus-key"
FAULT = "x-emeritus-fault"
GOOD_FOR = 60.0


class Stranger(NotPermitted):
    """A call at the nodes' own door does not come from a node of this house."""

    id = "node.stranger"


@frozen
class Passage:
    """Signs and checks calls between nodes. *secret* is asked each time: it may change with the record's key."""

    secret: Callable[[], bytes]
    seconds: Callable[[], float] = time.time

    def headers(self, model: str, path: str, key: str, body: bytes) -> dict[str, str]:
        """Return what proves a call."""
        at = str(int(self.seconds()))
        return {PROOF: f"{at}.{self._proof(at, model, path, key, body)}", KEY: key}

    def check(self, headers: Mapping[str, str], model: str, path: str, body: bytes) -> str:
        """Return the key under which a call was let in elsewhere. Raises Stranger."""
        at, _, proof = headers.get(PROOF, "").partition(".")
        key = headers.get(KEY, "")
        right = at.isdecimal() and len(at) < 16
        right = right and hmac.compare_digest(
            proof.encode(), self._proof(at, model, path, key, body).encode()
        )
        if not right or abs(self.seconds() - int(at)) > GOOD_FOR:
            raise Stranger(
                "This door is for the nodes of the house.",
                next_step="Call the gateway. For a node: check that all have the same record.key, and the right time.",
            )
        return key

    def _proof(self, at: str, model: str, path: str, key: str, body: bytes) -> str:
        said = "\n".join([at, model, path, key, hashlib.sha256(body).hexdigest()])
        return hmac.new(self.secret(), said.encode(), hashlib.sha256).hexdigest()
