"""Adapters are found by name, ours and other people's; their options are checked."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from emeritus.core.errors import InvalidInput, NotFound
from emeritus.voices import LlamaVoice, OpenAIVoice, VoiceSpec, adapter, adapters
from emeritus.voices.fakes import FakeVoice


def test_ours():
    """llama, openai and anthropic come with the house."""
    assert isinstance(adapter("llama")(VoiceSpec("m", path=Path("m.gguf"))), LlamaVoice)
    options = {"base_url": "https://example.org", "model": "Their/Name"}
    for name, kind in (("openai", "openai-compatible"), ("anthropic", "anthropic-compatible")):
        voice = adapter(name)(VoiceSpec("m", options=options))
        assert (voice.model, voice.engine.name) == ("m", kind)


def plug(spec: VoiceSpec) -> FakeVoice:
    return FakeVoice(spec.model)


def test_a_third_partys(monkeypatch: pytest.MonkeyPatch):
    """An entry point in the group emeritus.voices adds an adapter, and cannot replace one of ours."""
    points = [EntryPoint(name, f"{__name__}:plug", adapters.GROUP) for name in ("theirs", "openai")]
    monkeypatch.setattr(adapters, "entry_points", lambda group: points if group == adapters.GROUP else [])
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    assert isinstance(adapter("theirs")(VoiceSpec("m")), FakeVoice)
    assert isinstance(
        adapter("openai")(VoiceSpec("m", options={"base_url": "https://example.org", "model": "m"})),
        OpenAIVoice,
    )


def test_an_unknown_one():
    """A name that nobody has gives the names that there are."""
    with pytest.raises(NotFound, match="anthropic, llama, openai"):
        adapter("telepathy")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("llama", {"contxt": 1}),
        ("llama", {"context": -1}),
        ("openai", {}),
        ("openai", {"base_url": "https://example.org", "model": "m", "key": "sk"}),
        ("openai", {"base_url": "https://example.org", "model": 3}),
        ("openai", {"base_url": "https://example.org", "model": "m", "sends": ["warmth"]}),
        ("openai", {"base_url": "https://example.org", "model": "m", "limit_field": "messages"}),
        ("openai", {"base_url": "http://example.org", "model": "m"}),
        ("anthropic", {"base_url": "https://example.org", "model": "m", "limit_field": "max_tokens"}),
    ],
)
def test_wrong_options(name: str, options: dict[str, object]):
    """Misspelt, missing and dangerous options are refused before anything runs."""
    with pytest.raises(InvalidInput):
        adapter(name)(VoiceSpec("m", path=Path("m.gguf"), options=options))


def test_a_llama_needs_weights():
    """A model whose weights are not here cannot be given to llama.cpp."""
    with pytest.raises(InvalidInput):
        adapter("llama")(VoiceSpec("m"))


def test_the_room_imports_neither_engine_nor_aiohttp():
    """`import emeritus.voices` stays light: engine and HTTP client come when they are used."""
    program = (
        "import sys, emeritus.voices, emeritus.voices.fakes;"
        "print([m for m in ('xllamacpp', 'aiohttp', 'asyncio.subprocess_', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    assert done.stdout.strip() == b"[]"
