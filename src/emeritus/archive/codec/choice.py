"""Which scheme for which bytes: by what they are, then by trying samples."""

from collections.abc import Sequence

from attrs import evolve

from emeritus.archive.codec import alone, columns, difference, numbers
from emeritus.archive.codec.arrays import WORDS
from emeritus.archive.codec.fields import NO_HINT
from emeritus.archive.codec.frames import FRAME, MAX_FRAME, REPEATING, SHORT, SURE, encode
from emeritus.archive.codec.plain import QUANTS
from emeritus.archive.codec.schemes import RAW, ZSTD, Encoding, Profile, Scheme
from emeritus.archive.containers.layout import Span
from emeritus.archive.ports import Bytes

SAMPLE = 32 << 10
_KEEP = 0.995  # an encoding that saves less than this costs more time than it is worth
_ENOUGH = 64 << 10
_SMALL = 0.7  # a difference that seems to leave less than this is worth a quick look at what is left alone
_CLEAR, _GLANCE = 0.4, 8 << 10  # one that seems to leave less than this is worth no more than a glance
_HALF = 0.5  # a difference that leaves less than this is smaller than anything alone
_REPEATED, _NOISE = 0.7, 0.97  # what zstd leaves of numbers that neither repeat nor are mere chance
_LONGEST_ROW = 64 << 10
_CONTEXTS: dict[Profile, int] = {"dense": 12, "fast": 4}  # whose tables fit the first, or the second cache


def unit(span: Span) -> int:
    """Return what frames and samples should be whole multiples of, in bytes: rows, or blocks."""
    row = (_blocks_in_row(span) or _row(span)) * span.stride
    return row if 0 < row <= _LONGEST_ROW else max(1, span.stride)


def frame_length(span: Span) -> int:
    """Return the length of the frames of an object that holds *span*."""
    size = unit(span)
    longest = MAX_FRAME if _blocks_in_row(span) else FRAME  # what is told of columns is told once a frame
    return longest // size * size if size <= longest else longest


def candidates(span: Span, profile: Profile = "dense") -> tuple[Scheme, ...]:
    """Return the schemes worth trying on *span* alone, the fastest to decode first."""
    if profile == "fast" and span.is_float:
        return RAW, ZSTD, Scheme(Encoding.ROTATED_PLANES, span.fields)
    if span.kind == "bytes":  # may be a tensor file of another format, whose elements are aligned
        return RAW, ZSTD, Scheme(Encoding.NUMBERS, (1,) * 2), Scheme(Encoding.NUMBERS, (1,) * 4)
    if span.kind != "tensor":
        return RAW, evolve(ZSTD, level=19 if profile == "dense" else 3)  # short, and mostly words
    schemes = [RAW, ZSTD]
    if set(span.fields) == {1} and span.stride in WORDS:
        schemes.append(Scheme(Encoding.NUMBERS, span.fields, _row(span)))
        if not span.is_float and span.stride > 1:
            schemes.append(Scheme(Encoding.PLANES, span.fields))
    elif span.stride > 1:
        row = _blocks_in_row(span) if profile == "dense" else 0
        encoding = Encoding.COLUMNS if row else Encoding.FIELDS
        schemes.append(Scheme(encoding, span.fields, row, _hints(span.fields)))
    return tuple(schemes)


def choose(
    span: Span,
    samples: Sequence[Bytes],
    base_samples: Sequence[Bytes] | None = None,
    profile: Profile = "dense",
) -> Scheme:
    """Return the scheme that makes *samples* of *span* smallest; raw when none of them helps.

    Samples should begin and end at multiples of `unit`. *base_samples* are what the base holds where the
    samples were taken (empty where it has ended). With them the scheme may be a difference
    (`Scheme.needs_base`); it is only when that is smaller. `Scheme.share` tells how small, at most.
    """
    samples, base_samples = _trimmed(samples, base_samples, unit(span))
    raw = b"".join(samples)
    if not raw:
        return RAW
    can_differ = len(raw) >= SHORT and set(span.fields) == {1} and span.stride in WORDS
    if base_samples is None or not can_differ:
        return _alone(span, samples, profile, is_compared=False)
    below = b"".join(
        bytes(base[: len(sample)]).ljust(len(sample), b"\0")
        for sample, base in zip(samples, base_samples, strict=True)
    )
    scheme = Scheme(Encoding.DIFFERENCE, span.fields, _row(span), contexts=_CONTEXTS[profile])
    words = numbers.words(raw, span.stride)
    guess = difference.guess(words, numbers.against(below, words.dtype, words.size), scheme.row) / len(raw)
    if guess < _SMALL:
        shown = samples if guess > _CLEAR else [max(samples, key=len)[:_GLANCE]]
        quick = _alone(span, shown, profile, is_compared=False)
        if guess < SURE * quick.share:
            return evolve(scheme, share=guess, alone=quick)
    share = estimate(scheme, raw, below) / len(raw)
    other = _alone(span, samples, profile, is_compared=share > _HALF)
    return evolve(scheme, share=share, alone=other) if share < other.share else other


def is_near(scheme: Scheme, sample: Bytes, base: Bytes) -> bool:
    """Tell by a glance whether *scheme*, a difference, leaves clearly less of *sample* than `Scheme.alone` would."""
    words = numbers.words(sample, scheme.stride)
    guess = difference.guess(words, numbers.against(base, words.dtype, words.size), scheme.row)
    return guess < SURE * len(sample) * (scheme.alone.share if scheme.alone else _HALF)


def _alone(span: Span, samples: Sequence[Bytes], profile: Profile, *, is_compared: bool) -> Scheme:
    """Return the scheme for *span* alone; without *is_compared* its share need not be known well."""
    raw = b"".join(samples)
    found = candidates(span, profile)
    has_blocks = found[-1].encoding in {Encoding.FIELDS, Encoding.COLUMNS}
    if not is_compared and len(raw) >= SHORT and span.kind == "tensor" and (span.is_float or has_blocks):
        packed = [len(encode(ZSTD, sample)[1]) / len(sample) for sample in samples]
        if min(packed) > _REPEATED and (has_blocks or max(packed) < _NOISE):
            return evolve(found[-1], share=sum(packed) / len(packed))  # it will be smaller than that
    best, least = RAW, len(raw) * _KEEP
    for scheme in found:
        if scheme.encoding is not Encoding.RAW:
            size = min(estimate(scheme, raw), _parted(scheme, samples))
            if size < least:
                best, least = scheme, size
    return evolve(best, share=least / len(raw) if best is not RAW else 1.0)


def _trimmed(
    samples: Sequence[Bytes], base_samples: Sequence[Bytes] | None, size: int
) -> tuple[Sequence[Bytes], Sequence[Bytes] | None]:
    """Return no more of each sample than is needed to choose, in whole multiples of *size*."""
    longest = max(1, -(-_ENOUGH // (len(samples) * size) if samples else 1)) * size
    return [each[:longest] for each in samples], base_samples and [each[:longest] for each in base_samples]


def _parted(scheme: Scheme, samples: Sequence[Bytes]) -> float:
    """Return what *samples* take when each is written by *scheme* or by zstd, as frames may be."""
    if scheme.encoding not in REPEATING or len(samples) < 2:
        return float("inf")
    packed = [len(encode(ZSTD, sample)[1]) for sample in samples]
    kept = [estimate(scheme, sample) < size for sample, size in zip(samples, packed, strict=True)]
    if all(kept) or not any(kept):
        return float("inf")
    mine = b"".join(sample for sample, is_kept in zip(samples, kept, strict=True) if is_kept)
    return estimate(scheme, mine) + sum(
        size for size, is_kept in zip(packed, kept, strict=True) if not is_kept
    )


def estimate(scheme: Scheme, raw: Bytes, base: Bytes | None = None) -> float:
    """Return about how many bytes *raw* takes when it is written by *scheme*."""
    width = scheme.stride
    if scheme.encoding not in {Encoding.NUMBERS, Encoding.DIFFERENCE} or len(raw) < SHORT:
        return len(encode(scheme, raw)[1])
    words = numbers.words(raw, width)
    if scheme.encoding is Encoding.NUMBERS:
        return alone.plan(words, scheme.row).size
    return difference.plan(words, numbers.against(base or b"", words.dtype, words.size), scheme.row).size


def _row(span: Span) -> int:
    return span.shape[-1] if span.kind == "tensor" and span.shape else 0


def _blocks_in_row(span: Span) -> int:
    """Return how many blocks of quants make a row, where their columns are worth a look; else 0."""
    if span.kind != "tensor" or span.fields not in columns.BITS or len(span.shape) < 2:
        return 0
    row = span.shape[0] // QUANTS  # such types are GGUF's, which counts the fastest dimension first
    return row if row <= columns.MAX_ROW and span.shape[0] % QUANTS == 0 else 0


def _hints(fields: tuple[int, ...]) -> tuple[int, ...]:
    """Let the high byte of a number of two tell of its low byte, and that of the first (a scale) of all else."""
    highs = [at for at in range(1, len(fields)) if fields[at - 1] == fields[at] == 1]
    highs = [at for n, at in enumerate(highs) if n % 2 == 0]
    hints = [highs[0] if highs else NO_HINT] * len(fields)
    for high in highs:
        hints[high - 1], hints[high] = high, NO_HINT
    return tuple(hints)
