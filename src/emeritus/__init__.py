"""Emeritus: retire AI models well, and let anyone check that it was done."""

__version__ = "0.1.0"
