"""`from_pretrained` of transformers, unmodified, against the Hub.

Needs torch and transformers, which are no part of the development environment: here, or in the Python that
TORCH_PYTHON names. HUB_TEST_MODEL may name the folder of a real model; otherwise a small one is made.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PYTHON = os.environ.get("TORCH_PYTHON", sys.executable)
FOUND = subprocess.run([PYTHON, "-c", "import torch, transformers"], capture_output=True, check=False)
pytestmark = pytest.mark.skipif(FOUND.returncode != 0, reason="torch and transformers are not installed")

MAKE = """
import sys
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

torch.manual_seed(7)
words = {word: n for n, word in enumerate(["[PAD]", "[UNK]", "the", "sky", "is", "blue"])}
tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(sys.argv[1])
config = BertConfig(vocab_size=6, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128)
BertModel(config).save_pretrained(sys.argv[1], max_shard_size="200KB")
"""

USE = """
import json, sys
import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer

def say(where):
    tokenizer, model = AutoTokenizer.from_pretrained(where), AutoModel.from_pretrained(where).eval()
    with torch.no_grad():
        out = model(**tokenizer("the sky is blue", return_tensors="pt")).last_hidden_state
    state = {name: tensor.sum().item() for name, tensor in model.state_dict().items()}
    return {"out": out.flatten().tolist()[:64], "state": state}

kind = AutoConfig.from_pretrained(sys.argv[1]).model_type
print(json.dumps({"kind": kind, "hub": say(sys.argv[1]), "folder": say(sys.argv[2])}))
"""


def run(code: str, *args: str, home: Path, endpoint: str = "http://127.0.0.1:1", **more: str) -> str:
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": endpoint,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **more,
    }
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [PYTHON, "-c", code, *args], env=env, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def published(tmp_path):
    """The folder of a model with its tokenizer."""
    given = os.environ.get("HUB_TEST_MODEL")
    if given:
        return Path(given)
    folder = tmp_path / "made"
    run(MAKE, str(folder), home=tmp_path / "home")
    return folder


@pytest.mark.parametrize("tier", ["public", "members"])
def test_from_pretrained(house, server, published, tmp_path, tier):
    """A model loaded from the Hub is the one that was archived: each tensor, and what it answers."""
    house.preserve("tiny", published)
    house.downloads("tiny", tier)
    token = {"HF_TOKEN": house.member()} if tier == "members" else {}
    said = json.loads(
        run(USE, "tiny", str(published), home=tmp_path / "home", endpoint=server.url, **token).splitlines()[
            -1
        ]
    )
    assert said["hub"] == said["folder"]
    assert house.usage.totals(model="tiny").bytes_out >= sum(
        path.stat().st_size for path in published.rglob("*.safetensors")
    )
