"""The reference tells everything that the gateway has."""

from pathlib import Path
from typing import get_args

from emeritus.access.gate import STATUS, Code
from emeritus.access.holders import KeyNotAccepted
from emeritus.voices import errors as voice_errors
from emeritus.web.gateway import Parts, answers, asked, create_gateway, pace

REFERENCE = (Path(__file__).parents[2] / "docs/reference/gateway.md").read_text()


def test_every_route_is_told(house, pool):
    """No path is without a line in the reference."""
    routes = create_gateway(Parts(work=house.work, pool=pool, clock=house.clock, site_url="https://x"))
    for route in routes:
        if "{rest" not in route.path:
            for method in route.methods - {"HEAD"}:
                assert f"`{method} {route.path}`" in REFERENCE


def test_every_code_is_told():
    """No code that a caller can meet is without a line, and the line has the right status."""
    assert set(get_args(Code)) == set(STATUS)
    ours = [asked.BadRequest, asked.TooLarge, asked.TooSlow, pace.TooOften, answers.Defect]
    ours += [KeyNotAccepted]
    theirs = [getattr(voice_errors, name) for name in ("BadReply", "KeyRefused", "Unreachable", "Busy")]
    theirs += [getattr(voice_errors, name) for name in ("EngineDied", "EngineNotStarted", "VoiceTimeout")]
    told = {**STATUS, **{error.id: error.status for error in ours + theirs}}
    told[voice_errors.NotUnderstood.id] = 400
    for code, status in told.items():
        assert f"| {status} | `{code}` |" in REFERENCE
