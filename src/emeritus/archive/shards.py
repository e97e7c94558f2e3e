"""Weights in several files: every shard must be there, and an index must tell the truth about them."""

import re
from collections.abc import Collection, Mapping
from typing import NoReturn

import msgspec

from emeritus.archive.containers import Layout
from emeritus.archive.errors import SourceRefused
from emeritus.archive.names import file_name

INDEX_SUFFIX = ".safetensors.index.json"
MAX_INDEX = 100_000_000

_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.(safetensors|gguf)")


class _Index(msgspec.Struct):
    weight_map: dict[str, str]


def check_shards(names: Collection[str]) -> None:
    """Refuse a folder in which a shard is missing, going by the names ``…-00001-of-00003.…``.

    Raises:
        SourceRefused: naming the first that is missing.
    """
    for name in names:
        if shard := _SHARD.fullmatch(name):
            stem, _, of, suffix = shard.groups()
            for number in range(1, int(of) + 1):
                sibling = f"{stem}-{number:05}-of-{of}.{suffix}"
                if sibling not in names:
                    _refuse(f"The shard {sibling} is missing.", "Download it; every shard is needed.")


def check_index(name: str, data: bytes, files: Mapping[str, Layout]) -> None:
    """Refuse an index called *name* that names shards or tensors that are not there.

    Raises:
        SourceRefused: when it does, or is no index.
        UnsafeName: when it names a shard outside the folder.
    """
    try:
        weight_map = msgspec.json.decode(data, type=_Index).weight_map
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        _refuse(f"{name} is not an index of shards.", "Get it again from where it was published.")
    folder = name.rpartition("/")[0]
    held: dict[str, set[str]] = {}
    for tensor, shard in weight_map.items():
        path = file_name(f"{folder}/{shard}" if folder else shard)
        if path not in files:
            _refuse(f"{name} names the shard {shard!r}, which is missing.", "Download it.")
        if path not in held:
            held[path] = {span.name for span in files[path].tensors}
        if tensor not in held[path]:
            _refuse(f"{name} says that {shard} holds {tensor[:80]!r}; it does not.", "Download both again.")


def _refuse(wrong: str, next_step: str) -> NoReturn:
    raise SourceRefused(wrong, next_step=next_step)
