"""Public fakes: deterministic voices for tests, in process or as a real HTTP server on this machine."""

from emeritus.voices.fakes.engine import FakeEngine
from emeritus.voices.fakes.replies import Script, drawn, smallest
from emeritus.voices.fakes.voice import FakeVoice, ScriptedVoice
from emeritus.voices.fakes.weights import FakeWeights

__all__ = ["FakeEngine", "FakeVoice", "FakeWeights", "Script", "ScriptedVoice", "drawn", "smallest"]
