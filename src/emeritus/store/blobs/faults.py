"""What stores say when they do not do their work, in sentences that a person can act on."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import (
    BaseError,
    PermissionDeniedError,
    UnauthenticatedError,
)

from emeritus.archive.errors import BlobMissing, StoreFailed

_AGAIN = "Run the same command again; it goes on where it stopped."
_FORBIDDEN = re.compile(r"status code: 40[13]\b")
_TOLD = re.compile(r"<Code>([^<]{1,60})</Code>\s*<Message>([^<]{1,200})")


def missing(path: str) -> BlobMissing:
    """Say that nothing is stored under *path*."""
    return BlobMissing(f"The store holds no blob {path}.", next_step="Check the store's address.")


@contextmanager
def failures(path: str) -> Iterator[None]:
    """Turn what obstore says about *path* into errors that a person can act on."""
    try:
        yield
    except FileNotFoundError as why:
        if "NoSuchBucket" in str(why):
            raise no_bucket(why) from why
        raise missing(path) from None
    except BaseError as why:
        raise _failed(path, why) from why


def no_bucket(why: Exception | None = None) -> StoreFailed:
    """Say that there is no such bucket."""
    told = f" ({brief(why)})" if why else ""
    return StoreFailed(
        f"The object store has no bucket of this name{told}.",
        next_step="Create it with the provider's own tools, or correct the address.",
    )


def _failed(path: str, why: BaseError) -> StoreFailed:
    text, what = str(why), path or "its list"
    if "NoSuchBucket" in text or "ContainerNotFound" in text:
        return no_bucket(why)
    if isinstance(why, PermissionDeniedError | UnauthenticatedError) or _FORBIDDEN.search(text):
        return StoreFailed(
            f"The object store does not let us work on {what} with this key: {brief(why)}.",
            next_step="Check the credentials, and that they may list, read, write and delete there.",
        )
    if "TimedOut" in text or "Timeout" in text:
        return StoreFailed(f"The object store took too long over {what}: {brief(why)}.", next_step=_AGAIN)
    if "Connect" in text:
        return StoreFailed(
            f"The object store cannot be reached for {what}: {brief(why)}.",
            next_step=f"Check the network and the endpoint. {_AGAIN}",
        )
    return StoreFailed(f"The object store failed on {what}: {brief(why)}.", next_step=_AGAIN)


def brief(why: Exception) -> str:
    """Return what obstore says, without its innards, or what the store itself said."""
    text = str(why)
    told = _TOLD.search(text)
    if told:
        return f"{told[1]}: {told[2]}".rstrip(".")
    return " ".join(text.partition("Debug source:")[0].split())[:300].rstrip(".")
