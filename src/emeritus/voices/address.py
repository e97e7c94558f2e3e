"""Addresses of remotes: which may be called."""

import ipaddress
from urllib.parse import urlsplit

from emeritus.core.errors import InvalidInput


def checked_url(base_url: str, *, plain_http: bool = False) -> str:
    """Return *base_url* without a trailing slash or ``/v1``. Raises InvalidInput when it is not allowed.

    *plain_http*: the operator says that http to that address stays within a network of their own.
    """
    wrong = "is not an address of a remote"
    try:
        at = urlsplit(base_url)
        host, _ = at.hostname or "", at.port
    except ValueError:
        at, host = urlsplit(""), ""
    if (
        not host
        or at.username is not None
        or at.query
        or at.fragment
        or not base_url.isascii()
        or " " in base_url
    ):
        pass
    elif at.scheme == "https" or (at.scheme == "http" and (plain_http or _is_loopback(host))):
        return base_url.rstrip("/").removesuffix("/v1")
    elif at.scheme == "http":
        wrong = "would send the key and the words in the clear"
    raise InvalidInput(
        f"{at._replace(netloc=host, query='', fragment='').geturl()[:100]!r} {wrong}.",
        next_step="Write it as https://HOST[:PORT][/PATH]; http only for 127.0.0.1, ::1 or localhost.",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
