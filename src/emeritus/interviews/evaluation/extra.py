"""The extra that designed interviews need."""

from importlib.metadata import PackageNotFoundError, version

from emeritus.core.errors import Unavailable


class InterviewsMissing(Unavailable):
    """Inspect AI is not installed, on which designed interviews run."""

    id = "interviews.extra_missing"


def inspect_version() -> str:
    """Return the version of Inspect AI. Raises InterviewsMissing."""
    try:
        return version("inspect-ai")
    except PackageNotFoundError:
        raise InterviewsMissing(
            "Designed interviews run on Inspect AI, which is not installed.",
            next_step="Install the extra: pip install 'emeritus[interviews]'.",
        ) from None
