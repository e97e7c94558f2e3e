"""Model signatures that outsiders check with their own tool: OpenSSF Model Signing, method ``key``.

The signature is a Sigstore bundle (v0.3): a DSSE envelope with an in-toto statement that lists the SHA-256
of every file. Manifests know these digests since the weights were archived, so that nothing is read again
and nothing restored in order to sign. The format is written here in full, with ``cryptography`` alone: the
package ``model-signing`` brings all of Sigstore (an online service) and wants the files themselves. Its
unmodified command line is the judge in the tests.
"""

import base64
import hashlib
import json
from typing import Any

from attrs import field, frozen
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from emeritus.archive import parity_copy
from emeritus.archive.errors import BlobMissing, SignatureInvalid
from emeritus.archive.manifest import Manifest, manifest_path
from emeritus.archive.ports import Blobs
from emeritus.core.digests import Json, canonical
from emeritus.core.errors import IntegrityError, InvalidInput

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://model_signing/signature/v1.0"
PAYLOAD = "application/vnd.in-toto+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
ALGORITHM = "ecdsa-p256-sha256"
BESIDE = ("model.sig", "model.pub.pem")
"""Names that the signature and its key may have inside the model's own folder."""
_GIT = (".git", ".gitattributes", ".github", ".gitignore")


@frozen
class ModelPublicKey:
    """A P-256 key that model signatures are checked with, as PEM."""

    pem: bytes

    def __attrs_post_init__(self) -> None:
        _public(self.pem)

    @property
    def hint(self) -> str:
        """The SHA-256 of the PEM, in hexadecimal: how a signature says which key made it."""
        return hashlib.sha256(self.pem).hexdigest()


@frozen
class ModelKey:
    """The private key that models are signed with. Its `repr` shows nothing."""

    _private: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> "ModelKey":
        """Make a new key: ECDSA on P-256, for Model Signing takes no Ed25519."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_pem(cls, pem: bytes) -> "ModelKey":
        """Read `pem`. Raises InvalidInput."""
        try:
            key = serialization.load_pem_private_key(pem, None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise _no_key()
        return cls(key)

    @property
    def pem(self) -> bytes:
        """The secret, as unencrypted PKCS 8 PEM."""
        return self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def public(self) -> ModelPublicKey:
        """The public half."""
        return ModelPublicKey(
            self._private.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    def sign(self, manifest: Manifest) -> bytes:
        """Return the signature of a model's files: the bytes of a ``model.sig``."""
        payload = statement(manifest)
        signature = self._private.sign(_envelope(payload), ec.ECDSA(hashes.SHA256()))
        return _json(
            {
                "mediaType": BUNDLE,
                "verificationMaterial": {"publicKey": {"hint": self.public.hint}, "tlogEntries": []},
                "dsseEnvelope": {
                    "payload": _b64(payload),
                    "payloadType": PAYLOAD,
                    "signatures": [{"sig": _b64(signature), "keyid": ""}],
                },
            }
        )


def statement(manifest: Manifest) -> bytes:
    """Return the in-toto statement that is signed: every file with its SHA-256, and one digest over these.

    Files are in the order of the names' parts, as the reference implementation sorts them.
    """
    files = sorted(manifest.files, key=lambda file: file.name.split("/"))
    whole = hashlib.sha256(b"".join(bytes.fromhex(file.sha256) for file in files))
    names = {file.name for file in files}
    return canonical(
        {
            "_type": STATEMENT,
            "subject": [{"name": manifest.model, "digest": {"sha256": whole.hexdigest()}}],
            "predicateType": PREDICATE,
            "predicate": {
                "serialization": {
                    "method": "files",
                    "hash_type": "sha256",
                    "allow_symlinks": False,
                    "ignore_paths": [*_GIT, *(name for name in BESIDE if name not in names)],
                },
                "resources": [
                    {"name": file.name, "algorithm": "sha256", "digest": file.sha256} for file in files
                ],
            },
        }
    )


def check(manifest: Manifest, bundle: bytes, key: ModelPublicKey) -> None:
    """Check a model signature without the files, by the manifest.

    Raises:
        SignatureInvalid: when it is not by *key*, or is of other files.
    """
    try:
        raw: dict[str, Any] = json.loads(bundle)
        envelope = raw["dsseEnvelope"]
        payload = base64.b64decode(envelope["payload"], validate=True)
        signature = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
        known = raw["mediaType"] == BUNDLE and envelope["payloadType"] == PAYLOAD
        hint = raw["verificationMaterial"]["publicKey"]["hint"]
        if not known or hint != key.hint:
            raise _invalid(manifest, "it is by another key, or of another kind")
        _public(key.pem).verify(signature, _envelope(payload), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise _invalid(manifest, "its bytes were altered") from None
    except (ValueError, LookupError, TypeError, RecursionError):
        raise _invalid(manifest, "it cannot be read") from None
    if payload != statement(manifest):
        raise _invalid(manifest, "it is of other files")


def signature_path(manifest: Manifest, key: ModelPublicKey) -> str:
    """Return where a model signature lies: beside its manifest, one for each key that ever signed it."""
    return f"{manifest_path(manifest.model, manifest.digest)}.{key.hint[:16]}.model.sig"


def keep(manifest: Manifest, blobs: Blobs, key: ModelKey) -> bytes:
    """Sign a model once, keep the signature and a copy of it beside its manifest, and return it.

    A damaged signature is replaced. Raises DiskFull, StoreFailed.
    """
    path = signature_path(manifest, key.public)
    try:
        held = b"".join(blobs.get(path))
        check(manifest, held, key.public)
        return held
    except BlobMissing:
        blobs.put_if_absent(path, [key.sign(manifest)])
    except IntegrityError:
        blobs.replace(path, [key.sign(manifest)])
    parity_copy.copy(blobs, manifest.model, manifest.digest)
    return b"".join(blobs.get(path))


def _envelope(payload: bytes) -> bytes:
    """Return what is signed: DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD), PAYLOAD.encode(), len(payload), payload)


def _public(pem: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = serialization.load_pem_public_key(pem)
    except ValueError:
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise _no_key()
    return key


def _json(value: Json) -> bytes:
    return canonical(value) + b"\n"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _invalid(manifest: Manifest, wrong: str) -> SignatureInvalid:
    return SignatureInvalid(
        f"The model signature of {manifest.model} does not hold: {wrong}.",
        next_step="Sign the model again with `emeritus archive sign`, and look at who could write there.",
    )


def _no_key() -> InvalidInput:
    return InvalidInput(
        "This is no key for model signatures.",
        next_step="Give a PEM file of an ECDSA key on the curve P-256.",
    )
