"""The catalogue: every manifest in a store, and from them who needs which object, and what each model costs."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from attrs import frozen

from emeritus.archive.errors import BlobMissing
from emeritus.archive.facts import object_path
from emeritus.archive.manifest import Manifest, held, load
from emeritus.archive.ports import Blobs
from emeritus.archive.several import several


@frozen
class Dependents:
    """Who needs an object: models, by their manifests, and objects that are differences from it."""

    manifests: tuple[Manifest, ...]
    objects: tuple[str, ...]

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(manifest.model for manifest in self.manifests))


@frozen
class Kind:
    """What tensors of one dtype in one container come to: bytes as they are, and as stored."""

    container: str
    dtype: str
    raw: int
    stored: int


@frozen
class Cost:
    """What one model costs, in stored bytes.

    *alone*: of every object that it needs. *marginal*: of those that no other model needs, so that they
    would go with it. *share*: of all, each divided by the number of models that need it; the shares of all
    models make up the store. *needs* names the fewest models whose own objects it builds on; *needed_by* all
    that share some with it.
    """

    manifest: Manifest
    alone: int
    marginal: int
    share: float
    needs: tuple[str, ...]
    needed_by: tuple[str, ...]
    kinds: tuple[Kind, ...]


@frozen
class Catalogue:
    """What is preserved. Reading it costs one request a manifest."""

    manifests: tuple[Manifest, ...]

    @classmethod
    def read(cls, blobs: Blobs) -> "Catalogue":
        """Read every manifest. Raises ManifestDamaged for one that is not what its name says."""
        return cls(tuple(several(lambda one: load(one[0], one[1], blobs), held(blobs))))

    @property
    def objects(self) -> frozenset[str]:
        """Every object that some model needs."""
        return frozenset().union(*(manifest.closure for manifest in self.manifests))

    def dependents(self, digest: str) -> Dependents:
        """Return who needs an object, directly or by way of a difference."""
        on: dict[str, set[str]] = defaultdict(set)
        for manifest in self.manifests:
            for above, below in manifest.bases.items():
                on[below].add(above)
        found: set[str] = set()
        new = {digest}
        while new:
            new = set().union(*(on.get(below, ()) for below in new)) - found
            found |= new
        return Dependents(
            tuple(manifest for manifest in self.manifests if digest in manifest.closure), tuple(sorted(found))
        )

    def costs(self, sizes: Mapping[str, int]) -> tuple[Cost, ...]:
        """Return what each manifest costs, *sizes* being those of the stored objects (see `stored_sizes`)."""
        users = Counter(digest for manifest in self.manifests for digest in manifest.closure)
        holders: dict[str, set[str]] = defaultdict(set)
        for manifest in self.manifests:
            for digest in manifest.objects:
                holders[digest].add(manifest.model)
        shared: dict[str, list[str]] = defaultdict(list)
        for manifest in self.manifests:
            for digest in manifest.closure:
                if users[digest] > 1:
                    shared[digest].append(manifest.model)
        costs = []
        for manifest in self.manifests:
            mine = manifest.closure
            lent = [holders[digest] - {manifest.model} for digest in mine if digest not in manifest.objects]
            costs.append(
                Cost(
                    manifest,
                    sum(sizes.get(digest, 0) for digest in mine),
                    sum(sizes.get(digest, 0) for digest in mine if users[digest] == 1),
                    sum(sizes.get(digest, 0) / users[digest] for digest in mine),
                    _lenders(lent),
                    tuple(sorted({model for digest in mine for model in shared[digest]} - {manifest.model})),
                    _kinds(manifest, sizes),
                )
            )
        return tuple(costs)


def _lenders(holders: Iterable[AbstractSet[str]]) -> tuple[str, ...]:
    """Return few models, so that each of the sets has one of them: always the one that most have; "?" for an empty set."""
    left = list(holders)
    found: set[str] = set() if all(left) else {"?"}
    while left := [each for each in left if each and not each & found]:
        often = Counter(model for each in left for model in each)
        found.add(min(often, key=lambda model: (-often[model], model)))
    return tuple(sorted(found))


def _kinds(manifest: Manifest, sizes: Mapping[str, int]) -> tuple[Kind, ...]:
    raw: Counter[tuple[str, str]] = Counter()
    stored: Counter[tuple[str, str]] = Counter()
    seen: set[str] = set()
    for file in manifest.files:
        for span in file.spans:
            key = file.container, span.dtype or span.kind
            raw[key] += span.length
            for part in span.parts:
                if part.object is not None and part.object not in seen:
                    seen.add(part.object)
                    stored[key] += sizes.get(part.object, 0)
    return tuple(Kind(*key, raw[key], stored[key]) for key in sorted(raw, key=lambda key: -raw[key]))


def stored_sizes(blobs: Blobs, digests: Iterable[str]) -> dict[str, int]:
    """Return how many bytes the store holds for each object; missing ones are left out."""

    def size(digest: str) -> int | None:
        try:
            return blobs.size(object_path(digest))
        except BlobMissing:
            return None

    names = list(digests)
    found = zip(names, several(size, names), strict=True)
    return {digest: length for digest, length in found if length is not None}
