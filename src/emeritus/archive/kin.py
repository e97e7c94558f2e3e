"""From which object a new tensor is best stored as a difference, if from any."""

from collections.abc import Sequence

from attrs import frozen

from emeritus.archive import codec
from emeritus.archive.codec import Profile, Scheme
from emeritus.archive.containers import Span
from emeritus.archive.digesting import Piece
from emeritus.archive.errors import ObjectDamaged, ObjectMissing
from emeritus.archive.manifest import Manifest, SpanRecipe
from emeritus.archive.objects import StoredObject
from emeritus.archive.parity import parity_path
from emeritus.archive.ports import Blobs, Read
from emeritus.archive.relatives import Relatives
from emeritus.archive.sketches import SMALLEST, bands
from emeritus.archive.writing import can_be_base

SAMPLE = 32 << 10
_DEEPER = 0.95  # a longer chain must be worth it
_HABITUAL = 64 << 10  # what was best for some long tensors of a kind is taken to be best for the next ones,
_OFTEN, _AGAIN = 3, 16  # after so many in a row; every so often it is looked at again
_FRAMES = 3  # of a base, kept between choosing, encoding and comparing


@frozen
class Choice:
    """How to encode a piece, and against which base, if its scheme needs one."""

    scheme: Scheme
    base: StoredObject | None = None


class Kin:
    """Chooses for one model: its declared *base* first, else what the index of *relatives* finds."""

    def __init__(
        self,
        blobs: Blobs,
        base: Manifest | None = None,
        relatives: Relatives | None = None,
        profile: Profile = "dense",
    ) -> None:
        self._blobs = blobs
        self._relatives = relatives
        self._profile = profile
        self._habits: dict[tuple[object, ...], tuple[Scheme, int]] = {}
        self._declared: dict[str, SpanRecipe] = {}
        for file in base.files if base else ():
            for span in file.spans:
                if span.kind == "tensor":
                    self._declared.setdefault(span.name, span)

    def choose(self, piece: Piece, read: Read, *, alone: bool = False) -> Choice:
        """Return how to encode *piece*, whose bytes *read* gives: as a difference when samples say so."""
        found = [] if alone else self._candidates(piece, read)
        if len(found) > 1 or piece.length < _HABITUAL or piece.span.kind != "tensor":
            return self.choose_among(piece, read, found)
        key = (piece.span.dtype, piece.span.fields, piece.span.shape[-1:], len(found))
        scheme, times = self._habits.get(key, (codec.RAW, 0))
        if times < _OFTEN or times % _AGAIN == 0 or (found and not _is_kin(piece, read, scheme, found[0])):
            chosen = self.choose_among(piece, read, found).scheme
            is_habit = chosen == scheme and chosen != codec.RAW and chosen.needs_base == bool(found)
            times = times if is_habit else 0
            scheme = chosen
        self._habits[key] = scheme, times + 1
        return Choice(scheme, found[0] if scheme.needs_base else None)

    def choose_among(self, piece: Piece, read: Read, found: Sequence[StoredObject]) -> Choice:
        """Return how to encode *piece*: against one of the bases *found*, or alone."""
        places = _places(codec.unit(piece.span), piece.length)
        samples = [read(*place) for place in places]
        if not found:
            return Choice(codec.choose(piece.span, samples, None, self._profile))
        best, least = Choice(codec.RAW), float("inf")
        for base in found:
            try:
                below = [base.lasting(*place) for place in places]
            except (ObjectDamaged, ObjectMissing):
                continue
            scheme = codec.choose(piece.span, samples, below, self._profile)
            size = scheme.share / _DEEPER ** (base.facts.depth if scheme.needs_base else 0)
            if size < least:
                best, least = Choice(scheme, base if scheme.needs_base else None), size
        return best if least < float("inf") else self.choose_among(piece, read, [])

    def _candidates(self, piece: Piece, read: Read) -> list[StoredObject]:
        """Return likely bases, opened, those that stand alone first."""
        if piece.span.kind != "tensor" or piece.length < SMALLEST:
            return []
        named = self._named(piece)
        if named is None and self._relatives is not None:
            found = bands(piece.span, piece.number, piece.length, read)
            names = self._relatives.near(found) if found else []
        else:
            names = [named] if named else []
        if names and self._blobs.exists(parity_path(piece.blake3)):
            return []  # it was here before, and others stand on it: it must not come to stand on more itself
        bases: dict[str, StoredObject] = {}
        for number, name in enumerate(names):
            try:
                chain = [StoredObject.open(self._blobs, name)]
                while (below := chain[-1].base) is not None:
                    chain.append(below)
            except (ObjectDamaged, ObjectMissing):
                continue  # then it is not one to build on
            if piece.blake3 not in {stored.facts.blake3 for stored in chain}:
                # of all but the nearest only what others stand on too
                bases |= {each.facts.blake3: each for each in chain if not (number and each.facts.depth)}
        fitting = [each for each in bases.values() if can_be_base(each.facts) and self._fits(piece, each)]
        return [each.keeping(_FRAMES) for each in sorted(fitting, key=lambda each: each.facts.depth)]

    def _named(self, piece: Piece) -> str | None:
        span = self._declared.get(piece.span.name)
        if span is None or not _alike(piece.span, span) or piece.number >= len(span.parts):
            return None
        return span.parts[piece.number].object

    @staticmethod
    def _fits(piece: Piece, stored: StoredObject) -> bool:
        return stored.facts.frame == codec.frame_length(piece.span)


def _is_kin(piece: Piece, read: Read, scheme: Scheme, base: StoredObject) -> bool:
    """Tell by a glance whether *piece* is as near to a base as others of its kind are to theirs."""
    start, end = _places(codec.unit(piece.span), piece.length)[0]
    end = min(end, start + SAMPLE)
    try:
        return codec.is_near(scheme, read(start, end), base.lasting(start, end))
    except (ObjectDamaged, ObjectMissing):
        return False


def _alike(span: Span, other: SpanRecipe) -> bool:
    """Tell whether two tensors of one name are worth a try: at most the number of rows differs."""
    return span.dtype == other.dtype and (
        span.shape == other.shape
        or span.shape[1:] == other.shape[1:] != ()
        or span.shape[:-1] == other.shape[:-1] != ()
    )


def _places(unit: int, length: int) -> list[tuple[int, int]]:
    """Return what to look at: the beginning, the middle and the end; all of what is short."""
    size = -(-max(SAMPLE, min(4 * SAMPLE, length // 64)) // unit) * unit
    if length <= 3 * size:
        return [(0, length)]
    starts = (0, (length - size) // 2 // unit * unit, (length - size) // unit * unit)
    return [(start, start + size) for start in starts]
