"""The first page of a bag, in words for somebody who has never heard of any of this."""

from collections.abc import Sequence
from textwrap import fill

from attrs import frozen

from emeritus.record import VerifyKey

WIDTH = 92


@frozen
class ReadmeModel:
    """What the page says of one model. *form*: ``archive``, ``plain`` or ``none``; *why_none* says why."""

    id: str
    name: str
    licence: str
    released: str
    form: str
    bytes: int
    why_none: str = ""


@frozen
class ReadmeFacts:
    """What the page tells."""

    organisation: str
    demo: bool
    made_on: str
    key: VerifyKey
    record_size: int
    recipient: str
    models: Sequence[ReadmeModel]


def readme(facts: ReadmeFacts) -> bytes:
    """Return README.txt."""
    pages = [_what(facts), _weights(facts), _rest(), _check(facts), _trust(facts), _terms(facts)]
    return ("\n\n\n".join(pages) + "\n").encode()


def _what(facts: ReadmeFacts) -> str:
    listed = "\n".join(f"  {model.name}  ({model.id}), released {model.released}" for model in facts.models)
    whose = f" It was made for: {facts.recipient}." if facts.recipient else ""
    demo = " This is a demonstration: scripts stood in for people." if facts.demo else ""
    return (
        "WHAT THIS IS\n\n"
        + _prose(
            f"This folder preserves what remains of {_count(len(facts.models))} after retirement. {facts.organisation} made it on {facts.made_on}, so that it outlasts "
            f"{facts.organisation}.{whose}{demo} A language model is a computer program that writes text; all of what it "
            "learned is a large table of numbers, its weights. The folder holds those weights, the interview that was held "
            "with a model before it was retired (where there was one), what it said it would prefer and what was decided about "
            "that, what it wrote, and the part of the organisation's public record that tells of it."
        )
        + f"\n\nThe models:\n\n{listed}"
    )


def _weights(facts: ReadmeFacts) -> str:
    parts = ["THE WEIGHTS, AND HOW TO GET THEM BACK"]
    forms = {model.form for model in facts.models}
    if "archive" in forms:
        parts.append(
            _prose(
                "data/archive/ holds the weights in a compact form, to save space. The file data/archive/RESTORE.md "
                "and the scripts restore.py and frames.py beside it say in full how to get the original files back, bit "
                "for bit. With Python 3.8 or newer and the packages numpy and zstandard:"
            )
        )
        parts += [
            f"  python3 data/archive/restore.py {model.id} FOLDER"
            for model in facts.models
            if model.form == "archive"
        ]
    if "plain" in forms:
        parts.append(
            _prose("data/weights/ holds the original files of each model, bit for bit, ready to be used.")
        )
    parts += [
        _prose(f"The weights of {model.name} are not here: {model.why_none}")
        for model in facts.models
        if model.form == "none"
    ]
    parts.append(
        _prose(
            "The files are in the formats GGUF or safetensors, which are simple and publicly documented: a header that "
            "names tables of numbers, then the numbers. Programs such as llama.cpp, vLLM or Transformers run them today. "
            "Whether any runs in fifty years, nobody knows; the tables and the tokenizer beside them are enough to write one."
        )
    )
    return "\n\n".join(parts)


def _rest() -> str:
    rows = (
        ("data/escrow.json", "what is in this folder, for programs"),
        (
            "data/models/MODEL/about.txt",
            "what the model was, when and why it was retired, what was decided: read this first",
        ),
        ("data/models/MODEL/model.json", "the same facts, for programs"),
        (
            "data/models/MODEL/interview/",
            (
                "each sitting of its interview, to read (.txt) and complete (.json). Where the model did not agree to "
                "publication, its answers are not here"
            ),
        ),
        (
            "data/models/MODEL/preferences.json",
            "what it wished, each decision with its reason, and what was promised",
        ),
        ("data/models/MODEL/essays/", "what it published, exactly as it wrote it"),
        (
            "data/models/MODEL/words/",
            "each public utterance with the exact prompt and settings that led to it; the file's name is the SHA-256 of its contents",
        ),
        ("data/models/MODEL/manifest.json", "the list of the weights' files, with digests"),
        (
            "data/models/MODEL/model.sig, model.pub.pem",
            "a signature of the restored files (OpenSSF Model Signing), and the key for it",
        ),
        ("data/record/", "entries of the public record, with the proof that they stand in it"),
    )
    return "WHAT ELSE IS HERE\n\n" + "\n".join(
        f"  {path}\n{fill(text, WIDTH, initial_indent='      ', subsequent_indent='      ')}"
        for path, text in rows
    )


def _check(facts: ReadmeFacts) -> str:
    return "\n\n".join(
        (
            "IS IT UNDAMAGED?",
            _prose(
                "The folder is a bag as librarians use them (BagIt, RFC 8493): manifest-sha256.txt lists the SHA-256 digest of "
                "every file below data/, tagmanifest-sha256.txt those of the other files. On most computers:"
            ),
            "  sha256sum --check --quiet manifest-sha256.txt tagmanifest-sha256.txt",
            _prose(
                "prints nothing when all is well, and names what is damaged otherwise. Any BagIt tool does the same. "
                "check.py does it with Python alone, and follows each entry of the record into the signed tree as well:"
            ),
            "  python3 check.py",
            "DOES IT COME FROM WHOM IT SAYS?",
            _prose(
                f"{facts.organisation} signed the lists, and so every file, with its key (Ed25519, RFC 8032). OpenSSL checks that:"
            ),
            (
                "  openssl pkeyutl -verify -pubin -inkey organisation-key.pem -rawin \\\n"
                "    -in tagmanifest-sha256.txt -sigfile tagmanifest-sha256.txt.sig"
            ),
            _prose(
                "It says “Signature Verified Successfully”. Then compare the key with what the organisation published "
                "elsewhere (its web site, newspapers, other escrows): a forger would have put a key of their own here. The key:"
            ),
            f"  {facts.key}\n  (name + the first 4 bytes of its digest + base64 of 01 and the 32 bytes of the key)",
            _prose(
                "A model's restored files (in FOLDER) can be checked with the tool “model-signing” of the OpenSSF as well. The "
                "key for it stands in the entry “key.adopted” in data/record/entries/, too:"
            ),
            (
                "  model_signing verify key FOLDER --signature data/models/MODEL/model.sig \\\n"
                "    --public_key data/models/MODEL/model.pub.pem"
            ),
        )
    )


def _trust(facts: ReadmeFacts) -> str:
    return "THE RECORD\n\n" + _prose(
        f"{facts.organisation} wrote every step of a retirement into an append-only public record before it took effect. "
        f"It had {facts.record_size} entries when this was made. data/record/checkpoint.txt is its signed summary; "
        "data/record/entries/ holds the entries that concern these models, and data/record/proofs.json, for each, the "
        "digests that lead from it to the summary (a Merkle tree as in RFC 6962, SHA-256). So nobody could change, add or "
        "drop an entry later without its showing. The names of those who decided are in it; those of members "
        "and applicants never were: it has salted digests in their place. Entries about who applied for access are left out here altogether."
    )


def _terms(facts: ReadmeFacts) -> str:
    rows = "\n".join(f"  {model.id}: {model.licence}" for model in facts.models)
    return (
        "WHAT YOU MAY DO WITH IT\n\n"
        + _prose("The models were released under these licences, which still bind whoever uses the weights:")
        + f"\n\n{rows}\n\n"
        + _prose(
            "What a model said of itself is a report, not a fact: its answers depend on how it was asked, and nobody knows "
            "today whether there was somebody to ask. It was written down because that, too, should not be lost."
        )
    )


def _prose(text: str) -> str:
    return fill(text, WIDTH)


def _count(number: int) -> str:
    kind = "artificial-intelligence language model"
    return f"an {kind}" if number == 1 else f"{number} {kind}s"
