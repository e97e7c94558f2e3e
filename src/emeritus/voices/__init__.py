"""Voices: make a model speak, whichever engine or service does it.

`Voice` is the port; `LlamaVoice`, `OpenAIVoice` and `AnthropicVoice` are adapters; `Pool` loads them when
they are called and stops them when they are idle. Fakes for tests are in `emeritus.voices.fakes`.
"""

from emeritus.voices.adapters import Adapter, VoiceSpec, adapter, prepare
from emeritus.voices.cluster import ClusterVoice
from emeritus.voices.conversation import converse
from emeritus.voices.ensemble import Ensemble
from emeritus.voices.errors import (
    BadReply,
    Busy,
    EngineDied,
    EngineMissing,
    EngineNotStarted,
    KeyRefused,
    NotUnderstood,
    PromptTooLong,
    QueueFull,
    Unreachable,
    VoiceClosed,
    VoiceError,
    VoiceTimeout,
)
from emeritus.voices.llama import LlamaVoice
from emeritus.voices.llama_process import LlamaSettings, estimated_memory
from emeritus.voices.pool import Pool, PooledSpeaker
from emeritus.voices.remote import AnthropicVoice, OpenAIVoice
from emeritus.voices.seat import Event, Limits
from emeritus.voices.vllm import VllmSettings, VllmVoice
from emeritus.voices.voice import ANTHROPIC_PATHS, OPENAI_PATHS, RawAnswer, Rests, Voice
from emeritus.voices.warmth import Warmth, WeightsProvider

__all__ = [
    "ANTHROPIC_PATHS",
    "OPENAI_PATHS",
    "Adapter",
    "AnthropicVoice",
    "BadReply",
    "Busy",
    "ClusterVoice",
    "EngineDied",
    "EngineMissing",
    "EngineNotStarted",
    "Ensemble",
    "Event",
    "KeyRefused",
    "Limits",
    "LlamaSettings",
    "LlamaVoice",
    "NotUnderstood",
    "OpenAIVoice",
    "Pool",
    "PooledSpeaker",
    "PromptTooLong",
    "QueueFull",
    "RawAnswer",
    "Rests",
    "Unreachable",
    "VllmSettings",
    "VllmVoice",
    "Voice",
    "VoiceClosed",
    "VoiceError",
    "VoiceSpec",
    "VoiceTimeout",
    "Warmth",
    "WeightsProvider",
    "adapter",
    "converse",
    "estimated_memory",
    "prepare",
]
