"""What is compiled is kept on disk where that can be; nothing depends on it."""

import importlib.util

import pytest

pytest.importorskip("numba")

import numba
from numba.core.caching import IndexDataCacheFile

from emeritus.archive.codec.jit import compiled


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A folder for what is compiled, and how to load a module anew that has a function to compile."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "kept"))
    source = tmp_path / "twice.py"
    source.write_text("def twice(number):\n    return 2 * number\n")

    def load():
        spec = importlib.util.spec_from_file_location("twice", source)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return compiled(module.twice)

    return tmp_path / "kept", load


def hits(function):
    return sum(function.stats.cache_hits.values())


def test_what_was_compiled_is_found_again(kept):
    _, load = kept
    assert load()(21) == 42
    again = load()
    assert again(21) == 42
    assert hits(again) == 1


def test_a_damaged_cache_costs_time_alone(kept):
    """Rubbish in the cache is compiled over, and does not stay."""
    folder, load = kept
    assert load()(21) == 42
    for file in folder.rglob("*.nb?"):
        file.write_bytes(b"damaged")
    assert load()(21) == 42
    again = load()
    assert again(21) == 42
    assert hits(again) == 1


def test_a_full_disk_does_not_stop_a_compiled_loop(kept, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(IndexDataCacheFile, "save", full)
    assert kept[1]()(21) == 42


def test_without_a_folder_to_write_to_loops_are_compiled_each_time(kept, monkeypatch):
    monkeypatch.setattr("emeritus.archive.codec.jit._Kept", _no_folder)
    assert kept[1]()(21) == 42


def _no_folder(_):
    raise RuntimeError("cannot cache function: no locator available")
