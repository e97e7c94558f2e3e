"""The Hub's door: every word with the database and with manifests, in plain functions for a worker thread."""

import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from attrs import frozen

from emeritus.access import keys, standing
from emeritus.access.download_gate import admit_download, find_weights
from emeritus.access.downloads import DownloadPolicy
from emeritus.access.gate import Admission, Links, Refusal, fault_of
from emeritus.access.keys import KeyFault
from emeritus.access.ports import KeyRecord
from emeritus.access.standing import Standing
from emeritus.archive.manifest import FileRecipe, load
from emeritus.core.errors import EmeritusError, NotPermitted
from emeritus.process.ports import Failure
from emeritus.process.stages import HAND_OUT
from emeritus.registry.model import Model
from emeritus.web.hub.parts import Parts, Work
from emeritus.web.hub.snapshot import Snapshot

KEPT: Final = 32


class Refused(Exception):
    """A request that is not answered with what it asks for. *commit* is known where a revision was found."""

    def __init__(self, status: int, code: str, told: str, *, commit: str | None = None) -> None:
        super().__init__(told)
        self.status = status
        self.code = code
        self.told = told
        self.commit = commit


class Withdrawn(NotPermitted):
    """Weights that were being handed out are not for this key any more; what was sent so far is not a file."""

    id = "hub.withdrawn"


@frozen
class Repository:
    """A model whose weights are here, at the revision asked for."""

    model: Model
    snapshot: Snapshot
    policy: DownloadPolicy


@frozen
class Handed:
    """A file that may be handed out, and to whom."""

    repository: Repository
    file: FileRecipe
    admission: Admission


class Door:
    """Answers what can be known, and decides on downloads. What stands is folded when the record grows."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._standing: Standing | None = None
        self._snapshots: OrderedDict[str, Snapshot] = OrderedDict()
        self._guard = threading.Lock()
        self.links = Links(parts.site_url)

    def repository(self, repo: str, revision: str) -> Repository:
        """Return a model at a revision. Its files' names and digests are public. Raises Refused."""
        with self._parts.read() as work:
            stands = self._stand(work)
        return self._repository(stands, repo, revision)

    def listed(self) -> tuple[Sequence[tuple[Model, DownloadPolicy]], str]:
        """Return every model whose weights are here, and the organisation's namespace."""
        with self._parts.read() as work:
            stands = self._stand(work)
        found = [model for model in stands.models.values() if model.manifest is not None]
        return [(model, _policy(stands, model)) for model in found], namespace(stands)

    def namespace(self) -> str:
        """Return the organisation's name as a part of repository ids."""
        with self._parts.read() as work:
            return namespace(self._stand(work))

    def who(self, key_text: str | None) -> KeyRecord | None:
        """Return whose key this is, while it is good."""
        with self._parts.read() as work:
            stands = self._stand(work)
            key = keys.present(work.keys, key_text)
        if isinstance(key, KeyFault) or fault_of(stands, key, self._parts.clock.now()) is not None:
            return None
        return key

    def file(self, repo: str, revision: str, path: str, key_text: str | None) -> Handed:
        """Return a file that this key may have. Raises Refused."""
        with self._parts.read() as work:
            stands = self._stand(work)
            key = keys.present(work.keys, key_text)
        repository = self._repository(stands, repo, revision)
        answer = self._admit(stands, repository, key)
        file = repository.snapshot.files.get(path)
        if file is None:
            raise no_entry(repository, path)
        return Handed(repository, file, answer)

    def may(self, repo: str, key_text: str | None) -> None:
        """Return when this key may have the weights. Raises Refused."""
        with self._parts.read() as work:
            stands = self._stand(work)
            key = keys.present(work.keys, key_text)
        self._admit(stands, self._repository(stands, repo, "main"), key)

    def still(self, handed: Handed, key_text: str | None) -> None:
        """Return while this key may have what is being handed to it. Raises Withdrawn."""
        with self._parts.read() as work:
            stands = self._stand(work)
            key = keys.present(work.keys, key_text)
        model = handed.repository.model.id
        found = find_weights(stands, model, links=self.links)
        answer = (
            found
            if isinstance(found, Refusal)
            else admit_download(stands, model, key, self._parts.clock.now(), links=self.links)
        )
        if isinstance(answer, Refusal):
            raise Withdrawn(
                f"The download of {model} was ended: {answer.sentence}", next_step=answer.next_step
            )

    def begin(self, request_id: str, handed: Handed, key_text: str | None) -> None:
        """Count a download before its first byte."""
        now = self._parts.clock.now()
        with self._parts.work() as work:
            work.usage.begin(request_id, handed.admission.key_id, handed.repository.model.id, now)
            key = keys.present(work.keys, key_text)
            if isinstance(key, KeyRecord) and key.id == handed.admission.key_id:
                keys.note_use(work.keys, key, now)

    def leave(self, request_id: str, *, sent: int, seconds: float, status: int) -> None:
        """Write down what a download took."""
        with self._parts.work() as work:
            work.usage.finish(
                request_id, tokens_in=0, tokens_out=0, seconds=seconds, status=status, bytes_out=sent
            )

    def report(self, model: str, file: str, error: EmeritusError) -> None:
        """Show the steward that a file could not be given, once for each thing that is wrong."""
        with self._parts.work() as work:
            if any(known.sentence == error.sentence for known in work.failures.of(HAND_OUT, model)):
                return
            work.failures.add(
                Failure(
                    HAND_OUT,
                    model,
                    error.id,
                    error.sentence,
                    f"It was found while {file[:200]} was handed out. {error.next_step}",
                    self._parts.clock.now(),
                )
            )

    def _admit(self, stands: Standing, found: Repository, key: KeyRecord | KeyFault) -> Admission:
        answer = admit_download(stands, found.model.id, key, self._parts.clock.now(), links=self.links)
        if isinstance(answer, Refusal):
            raise Refused(answer.status, "GatedRepo", f"{answer.sentence} {answer.next_step}")
        return answer

    def _stand(self, work: Work) -> Standing:
        self._standing = found = standing.standing(work.log, self._standing)
        return found

    def _repository(self, stands: Standing, repo: str, revision: str) -> Repository:
        name = repo.removeprefix(f"{namespace(stands)}/")
        model = find_weights(stands, name, links=self.links)
        if isinstance(model, Refusal):
            raise Refused(model.status, "RepoNotFound", f"{model.sentence} {model.next_step}")
        assert model.manifest is not None
        snapshot = self._snapshot(model.id, model.manifest)
        if not snapshot.answers_to(revision):
            told = f"There is no revision {_shown(revision)} of {model.id}. The only one is main: {snapshot.commit}."
            raise Refused(404, "RevisionNotFound", told)
        return Repository(model, snapshot, _policy(stands, model))

    def _snapshot(self, model: str, digest: str) -> Snapshot:
        """Return what a manifest says. It never changes, so it is read and checked once, as far as room allows."""
        with self._guard:
            found = self._snapshots.pop(digest, None)
            if found is not None:
                self._snapshots[digest] = found
                return found
        manifest = load(model, digest, self._parts.blobs, verify=self._parts.verify)
        found = Snapshot(manifest, digest)
        with self._guard:
            self._snapshots[digest] = found
            while len(self._snapshots) > KEPT:
                self._snapshots.popitem(last=False)
        return found


def no_entry(repository: Repository, path: str) -> Refused:
    """Return the answer for a path that the model does not have."""
    told = f"{repository.model.id} has no {_shown(path)} at {repository.snapshot.commit}."
    return Refused(404, "EntryNotFound", told, commit=repository.snapshot.commit)


def namespace(stands: Standing) -> str:
    """Return the organisation's name as it can stand in a repository's id."""
    plain = re.sub(r"[^a-z0-9]+", "-", stands.organisation.lower()).strip("-")[:40].strip("-")
    return plain or "house"


def _policy(stands: Standing, model: Model) -> DownloadPolicy:
    return stands.downloads.get(model.id) or DownloadPolicy(model.id)


def _shown(text: str) -> str:
    return repr("".join(char if char.isprintable() else "?" for char in text[:120]))
