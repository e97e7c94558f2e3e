"""Weights that lie where we say."""

from collections.abc import Mapping
from pathlib import Path

from emeritus.core.errors import NotFound


class FakeWeights:
    """A `WeightsProvider` over a mapping of model id to (path, digest); *asked* counts the calls."""

    def __init__(self, held: Mapping[str, tuple[Path, str]]) -> None:
        self._held = dict(held)
        self.asked: list[str] = []

    def path(self, model_id: str) -> tuple[Path, str]:
        self.asked.append(model_id)
        if model_id not in self._held:
            raise NotFound(f"Nobody here holds the weights of {model_id}.", next_step="Archive them first.")
        return self._held[model_id]
