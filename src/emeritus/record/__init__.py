"""The public record: an append-only Merkle log that a stranger can check.

Every act is an `Entry`, written before its effect is visible. The tree is that of RFC 6962, the
checkpoint a signed note (C2SP signed-note and tlog-checkpoint), the key Ed25519.
"""

from emeritus.record.checkpoint import Checkpoint
from emeritus.record.entry import Act, Entry
from emeritus.record.keys import SigningKey, VerifyKey
from emeritus.record.log import Log
from emeritus.record.memory import MemoryLog, MemoryUtterances
from emeritus.record.verify import Finding, verify_log

__all__ = [
    "Act",
    "Checkpoint",
    "Entry",
    "Finding",
    "Log",
    "MemoryLog",
    "MemoryUtterances",
    "SigningKey",
    "VerifyKey",
    "verify_log",
]
