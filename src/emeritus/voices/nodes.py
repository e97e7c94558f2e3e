"""The nodes of a house: who is there, what is loaded where, and which of them a call goes to."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

from attrs import field, frozen

CROWD = 8
"""Calls that a node may have beyond twice the mean of the others before those are asked instead."""


@frozen
class Node:
    """One process that makes models speak.

    *url*: where other nodes reach it; empty for one that is alone. *load*: calls that run or wait there.
    *models*: those that are loaded, or on their way. A node that is *draining* takes no more calls.
    """

    id: str
    url: str
    seen_at: datetime
    load: int = 0
    draining: bool = False
    models: Mapping[str, Literal["warm", "loading"]] = field(factory=dict)


class NodeBook(Protocol):
    """Where nodes sign in, and pins are kept; all nodes of a house share it."""

    def beat(self, node: Node) -> None:
        """Say that *node* is there, and how it stands."""
        ...

    def leave(self, node_id: str) -> None:
        """Take a node's entry away."""
        ...

    def seen_since(self, moment: datetime) -> list[Node]:
        """Return the nodes that signed in since *moment*."""
        ...

    def forget_before(self, moment: datetime) -> None:
        """Remove the entries of nodes that ended without signing out."""
        ...

    def pins(self) -> list[str]:
        """Return the models that are to stay loaded."""
        ...


def route(model: str, nodes: Sequence[Node], me: str) -> list[Node]:
    """Return the nodes to ask for *model*, the best first; *me* is always among them.

    First come nodes that have the model, the least busy one before the others; then the rest in an order that
    every node computes alike (rendezvous hashing), so that a model which is loaded nowhere is loaded once. A
    node that is far busier than the rest goes to the end.
    """
    usable = [node for node in nodes if not node.draining or node.id == me]
    total = sum(node.load for node in usable)

    def rank(node: Node) -> tuple[bool, int, int, int]:
        state = {"warm": 0, "loading": 1}.get(node.models.get(model, ""), 2)
        others = (total - node.load) / max(len(usable) - 1, 1)
        return (
            node.load > 2 * others + CROWD,
            state,
            node.load if state == 0 else 0,
            -_affinity(model, node.id),
        )

    return sorted(usable, key=rank)


def owner(model: str, nodes: Iterable[Node]) -> str:
    """Return the id of the node that *model* belongs to while all stand alike; empty when there is none."""
    usable = [node.id for node in nodes if not node.draining]
    return max(usable, key=lambda node: _affinity(model, node), default="")


def _affinity(model: str, node: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{model}\n{node}".encode(), digest_size=8).digest(), "big")
