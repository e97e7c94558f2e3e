"""Addresses of stores: folders, and URLs with where their endpoint and their keys are."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from obstore.exceptions import BaseError
from obstore.store import from_url

from emeritus.archive.ports import Blobs
from emeritus.core.errors import InvalidInput
from emeritus.store.blobs.faults import brief
from emeritus.store.blobs.folder import FolderBlobs
from emeritus.store.blobs.object_store import ObjectStoreBlobs

PATIENCE = timedelta(minutes=3)
_OPTIONS = {
    "s3": {"endpoint": "endpoint", "region": "region"},
    "gs": {"endpoint": "base_url"},
    "az": {"endpoint": "endpoint", "account": "account_name"},
}
# Which variables may follow the name that `keys` gives: NAME_ACCESS_KEY_ID and so on.
_KEYS = {
    "s3": ("access_key_id", "secret_access_key", "session_token"),
    "gs": ("service_account", "service_account_key"),
    "az": ("account_name", "account_key", "sas_key"),
}


def open_blobs(where: str | Path, *, patience: timedelta = PATIENCE) -> Blobs:
    """Return the store at *where*: a folder, or an ``s3://``, ``gs://`` or ``az://`` URL.

    Credentials come from the environment, as the providers' own tools read them; with ``?keys=NAME`` from
    ``NAME_ACCESS_KEY_ID`` and so on. ``?endpoint=…`` and ``&region=…`` say where the service is. For at
    most *patience* a failing request is tried again.

    Raises:
        InvalidInput: for a URL of another kind, or one that cannot be used.
    """
    text = str(where)
    scheme, parted, _ = text.partition("://")
    if not parted:
        return FolderBlobs(Path(text))
    if scheme not in _OPTIONS:
        raise InvalidInput(
            f"The archive cannot lie at a {scheme!r} address.",
            next_step="Give a folder, or an s3://, gs:// or az:// URL.",
        )
    url, config = _parsed(scheme, text)
    timeout = min(max(patience, timedelta(seconds=1)), timedelta(minutes=1))
    client: dict[str, Any] = {"timeout": timeout, "connect_timeout": min(timeout, timedelta(seconds=10))}
    if config.get("endpoint", config.get("base_url", "")).startswith("http://"):
        client["allow_http"] = True
    if scheme == "s3" and "AWS_COPY_IF_NOT_EXISTS" not in os.environ:
        config["copy_if_not_exists"] = "multipart"
    retry: Any = {"max_retries": 10, "retry_timeout": patience}
    options: Any = {"config": config, "client_options": client, "retry_config": retry}
    try:
        return ObjectStoreBlobs(from_url(url, **options))
    except (BaseError, ValueError) as why:
        raise InvalidInput(
            f"The object store {scheme}:// cannot be opened: {brief(why)}.",
            next_step="Check the URL and the credentials in the environment.",
        ) from why


def _parsed(scheme: str, text: str) -> tuple[str, dict[str, str]]:
    """Return the URL without its options, and these as obstore calls them."""
    parts = urlsplit(text)
    if "@" in parts.netloc:
        raise InvalidInput(
            f"The {scheme}:// address holds a key or a password.",
            next_step="Leave it out, and put the keys into environment variables (…?keys=NAME says which).",
        )
    config: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name == "keys":
            config |= _keys(scheme, value)
        elif name in _OPTIONS[scheme] and value:
            config[_OPTIONS[scheme][name]] = value
        else:
            raise InvalidInput(
                f"{name[:40]!r} is no option of a {scheme}:// address.",
                next_step=f"It has: keys, {', '.join(_OPTIONS[scheme])}.",
            )
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")), config


def _keys(scheme: str, name: str) -> dict[str, str]:
    found = {
        key: os.environ[variable]
        for key in _KEYS[scheme]
        if (variable := f"{name}_{key}".upper()) in os.environ
    }
    if not found:
        raise InvalidInput(
            f"The address says keys={name[:40]}, and no variable holds them.",
            next_step="Set " + ", ".join(f"{name}_{key}".upper()[:60] for key in _KEYS[scheme]) + ".",
        )
    return found
