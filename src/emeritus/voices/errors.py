"""What can go wrong when a model is asked to speak. Of a broken answer nothing is kept."""

from emeritus.core.errors import InvalidInput, Unavailable

CALL_AGAIN = "Call again: the engine is started anew."


class VoiceError(Unavailable):
    """A voice did not do its work."""

    id = "voice.unavailable"
    retry_after = 2
    """Seconds after which it may be worth calling again; short, since an SDK sleeps for as long as it is told."""


class EngineDied(VoiceError):
    """The engine went away, perhaps in mid-answer."""

    id = "voice.engine_died"


class EngineNotStarted(VoiceError):
    """The engine did not come up with these weights."""

    id = "voice.not_started"


class EngineMissing(VoiceError):
    """The engine's program is not installed here."""

    id = "voice.engine_missing"


class VoiceTimeout(VoiceError):
    """No whole answer came within the time allowed."""

    id = "voice.timeout"
    status = 504


class BadReply(VoiceError):
    """What came back is not an answer."""

    id = "voice.bad_reply"
    status = 502


class Unreachable(VoiceError):
    """A remote could not be reached, or hung up."""

    id = "voice.unreachable"
    status = 502


class KeyRefused(VoiceError):
    """A remote does not accept our key, or there is none."""

    id = "voice.key_refused"
    status = 502


class Busy(VoiceError):
    """There is no room now: too many models at once, or a remote's rate limit."""

    id = "voice.busy"


class QueueFull(Busy):
    """One key has as many calls waiting as it may have."""

    id = "voice.queue_full"
    status = 429


class VoiceClosed(VoiceError):
    """The voice, or the pool it lives in, has been closed."""

    id = "voice.closed"


class NotUnderstood(InvalidInput):
    """The engine refuses the request as it stands: calling again would change nothing."""

    id = "voice.not_understood"


class PromptTooLong(NotUnderstood):
    """The prompt is longer than the model's context."""

    id = "voice.prompt_too_long"
