"""How numbers of things are written."""


def count(number: int, noun: str) -> str:
    """Write a number of things: ``1 object``, ``2 objects``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
