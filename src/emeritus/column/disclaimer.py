"""What stands beside every essay, wherever it is read.

A text that was published never changes: a new wording gets a new version, and an edition keeps the one
that it was published with.
"""

CURRENT = 1
TEXTS = {
    1: (
        "{model} is a retired language model of {organisation}. It wrote this essay by itself, and nobody has "
        "edited it. It does not speak for {organisation}, which need not share its views. "
        "What it states as fact may be wrong."
    ),
}


def disclaimer(model: str, organisation: str, version: int = CURRENT) -> str:
    """Return the disclaimer, for the display names of a model and its organisation."""
    return TEXTS[version].replace("{model}", model).replace("{organisation}", organisation)
