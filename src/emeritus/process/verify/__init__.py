"""What a stranger checks of anything public, without a house: from the record's key alone."""

from emeritus.process.verify.check import check
from emeritus.process.verify.target import Target, target_of
from emeritus.process.verify.verdict import Proven, Verdict

__all__ = ["Proven", "Target", "Verdict", "check", "target_of"]
