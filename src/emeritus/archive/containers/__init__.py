"""Weights files taken apart: parsers of untrusted headers that say where in a file each tensor lies."""

from emeritus.archive.containers import gguf, safetensors
from emeritus.archive.containers.layout import Layout, Span, whole

__all__ = ["Layout", "Span", "elements", "whole"]


def elements(container: str, dtype: str) -> tuple[tuple[int, ...], bool]:
    """Return what repeats in a tensor of *dtype* (`Span.fields`), and whether it is a row of floats."""
    match container:
        case "gguf":
            return gguf.elements(dtype)
        case "safetensors":
            return safetensors.elements(dtype)
    return (1,), False
