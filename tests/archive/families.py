"""Small models that are kin: a base, and others that were trained from it a little."""

from pathlib import Path

import numpy as np

from emeritus.archive import MemoryBlobs, ingest, inspect
from emeritus.archive.fakes import FakeTensor, safetensors_bytes

SHAPE = (96, 256)


def sign(data):
    return b"signed:" + data[-8:]


def numbers(seed, shape=SHAPE, dtype="BF16"):
    """Bell-shaped weights."""
    drawn = (np.random.default_rng(seed).standard_normal(shape) * 0.02).astype(np.float32)
    return cast(drawn, dtype)


def cast(values, dtype):
    if dtype == "F32":
        return values
    return (values.view(np.uint32) >> 16).astype(np.uint16)


def trained(weights, seed, step=2e-3):
    """The same weights after a little training: most of them moved by a few representable numbers."""
    chance = np.random.default_rng(seed)
    moved = chance.standard_normal(weights.shape) < 0.3
    if weights.dtype == np.float32:
        return np.where(moved, weights * (1 + step * chance.standard_normal(weights.shape)), weights).astype(
            np.float32
        )
    return np.where(moved, weights + chance.integers(-1, 2, weights.shape).astype(np.uint16), weights).astype(
        np.uint16
    )


def tensor(name, weights):
    dtype = {np.dtype(np.float32): "F32", np.dtype(np.uint16): "BF16"}[weights.dtype]
    return FakeTensor(name, dtype, weights.shape, weights.tobytes())


def write_model(folder: Path, weights: dict) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.safetensors"
    path.write_bytes(safetensors_bytes([tensor(name, held) for name, held in weights.items()]))
    return path


def base_weights(seed=1, layers=3, dtype="BF16"):
    return {f"layers.{n}.weight": numbers(seed * 100 + n, dtype=dtype) for n in range(layers)}


def tuned(weights, seed):
    return {name: trained(held, seed * 1000 + n) for n, (name, held) in enumerate(weights.items())}


def archive(folder: Path, name: str, weights: dict, blobs, **options):
    """Write a model to disk and bring it into the archive."""
    source = inspect(write_model(folder / f"source-{name}", weights))
    return ingest(source, name, blobs, sign=sign, **options)


class CountingBlobs(MemoryBlobs):
    """Counts what is asked of the store."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name in {
            "put_if_absent",
            "replace",
            "get",
            "get_range",
            "peek",
            "size",
            "exists",
            "list",
            "delete",
        }:
            asked = super().__getattribute__("asked")

            def counted(path="", *rest, **options):
                asked.append((name, path))
                return found(path, *rest, **options)

            return counted
        return found
