"""Adapters are found by name, ours and other people's; their options are checked."""

import os
import subprocess
import sys
import textwrap
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
    with pytest.raises(NotFound, match="anthropic, cluster, llama, openai, vllm"):
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


PLUG = {
    "pyproject.toml": """
        [build-system]
        requires = ["hatchling"]
        build-backend = "hatchling.build"
        [project]
        name = "parrot-voice"
        version = "1.0"
        [project.entry-points."emeritus.voices"]
        parrot = "parrot_voice:build"
        [tool.hatch.build.targets.wheel]
        packages = ["parrot_voice"]
    """,
    "parrot_voice/__init__.py": """
        from emeritus.voices import VoiceSpec
        from emeritus.voices.fakes import FakeVoice

        def build(spec: VoiceSpec) -> FakeVoice:
            \"\"\"Repeat the last thing that was said.\"\"\"
            times = int(spec.options.get("times", 1))
            return FakeVoice(spec.model, lambda prompt, _sampling, _schema: " ".join([prompt[-1].content] * times))
    """,
}


def test_an_installed_package_brings_an_adapter(tmp_path: Path):
    """A real package, built and installed with pip, adds a voice by its entry point alone; the pool lends it."""
    for name, text in PLUG.items():
        path = tmp_path / "parrot" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "-qq"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(tmp_path / "site")]
    subprocess.run([*pip, *offline, str(tmp_path / "parrot")], check=True, timeout=120)
    program = (
        "from emeritus.core.speech import Message, Sampling\n"
        "from emeritus.voices import Pool, VoiceSpec, adapter\n"
        "build = adapter('parrot')\n"
        "with Pool(lambda model: build(VoiceSpec(model, options={'times': 2}))) as pool:\n"
        "    print(pool.speaker('polly').speak([Message('user', 'Hello')], Sampling(seed=1)).text)\n"
    )
    path = os.pathsep.join([str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "Hello Hello"
