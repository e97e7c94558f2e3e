"""Weights files taken apart: parsers of untrusted headers that say where in a file each tensor lies."""

from emeritus.archive.containers.layout import Layout, Span, whole

__all__ = ["Layout", "Span", "whole"]
