"""Check that what was published is what the model said, byte for byte, and that the record says so."""

from attrs import frozen

from emeritus.column.drafts import prompt_digest
from emeritus.column.essay import standing
from emeritus.column.standing import Standing
from emeritus.core.digests import sha256
from emeritus.core.errors import EmeritusError
from emeritus.core.speech import Utterance, Utterances
from emeritus.record import Log, merkle


@frozen
class Verdict:
    """What a check found: *holds*, and why in one *sentence*.

    *entry* is where the publication stands on the record, *leaf* that entry's hash and *proof* the audit
    path from it to the root of *checkpoint*, a signed note (all hexadecimal; RFC 6962, 2.1.1).
    """

    holds: bool
    sentence: str
    essay: str
    utterance: str
    published_digest: str
    spoken_digest: str | None = None
    recorded_digest: str | None = None
    entry: int | None = None
    leaf: str | None = None
    size: int | None = None
    proof: tuple[str, ...] = ()
    checkpoint: str | None = None


def verify(log: Log, utterances: Utterances, essay_id: str, published_text: bytes) -> Verdict:
    """Compare *published_text*, the raw text as it was published, with the model's words and the record.

    Raises:
        NotFound: there is no such essay.
    """
    essay = standing(log, essay_id)
    found = sha256(published_text)
    if essay.edition is None:
        return Verdict(False, f"{essay_id} has not been published.", essay_id, essay.utterance, found)
    try:
        words = utterances.get(essay.utterance)
    except EmeritusError as why:
        return Verdict(False, why.sentence, essay_id, essay.utterance, found)
    said = words.text.encode()
    entry = log.get(essay.edition.entry)
    size = log.size()
    proof = merkle.inclusion(log, entry.seq, size)
    included = merkle.verify_inclusion(entry.leaf, entry.seq, size, proof, log.checkpoint().root)
    faults = found_faults(essay, words, published_text, named=entry.body["utterance"])
    if not included:
        faults.append("The entry is not in the tree that the checkpoint signs.")
    return Verdict(
        holds=not faults,
        sentence=faults[0]
        if faults
        else f"The {len(said)} published bytes are the model's own, drafted and published as recorded.",
        essay=essay_id,
        utterance=essay.utterance,
        published_digest=found,
        spoken_digest=sha256(said),
        recorded_digest=essay.edition.text_digest,
        entry=entry.seq,
        leaf=entry.leaf.hex(),
        size=size,
        proof=tuple(node.hex() for node in proof),
        checkpoint=log.signed_checkpoint(),
    )


def found_faults(essay: Standing, words: Utterance, published: bytes, *, named: str) -> list[str]:
    """Return what does not hold of a published *essay*, in sentences; nothing when all does.

    *words* are those kept under the id that its drafts name, *named* the id in the entry that published it.
    """
    assert essay.edition is not None
    said = words.text.encode()
    checks = (
        (published == said, _difference(published, said)),
        (
            sha256(said) == essay.edition.text_digest,
            "The record gives another digest for what was published.",
        ),
        (named == essay.utterance, "The record publishes other words than those that were drafted."),
        (words.model == essay.model, f"Another model said these words: {words.model}."),
        (
            prompt_digest(words.prompt) == essay.attempt.prompt_digest,
            "The words came from another prompt than the record says.",
        ),
        (
            essay.attempt.entry < essay.edition.entry,
            "The record has the publication before the draft.",
        ),
    )
    return [fault for holds, fault in checks if not holds]


def _difference(published: bytes, said: bytes) -> str:
    shorter = min(len(published), len(said))
    place = next((at for at in range(shorter) if published[at] != said[at]), shorter)
    return f"What was published differs from what the model said, from byte {place} on."
