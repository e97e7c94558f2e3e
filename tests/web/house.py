"""A house in memory, filled through the real functions: what the pages' tests and pictures show."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

from attrs import define, field

from emeritus import ledger, registry
from emeritus.access import applications, grants, policy
from emeritus.core.clock import SettableClock
from emeritus.core.people import Actor, person
from emeritus.core.speech import EngineBuild, Message, Sampling, Utterance
from emeritus.ledger import ColumnPlan, Cost, NewCommitment
from emeritus.record import Act, MemoryLog, MemoryUtterances, SigningKey
from emeritus.record.private import MemoryPrivate
from emeritus.registry import Document, Lineage, NewModel, Organisation, Remote, Weights
from emeritus.web.pages.app import build_app
from emeritus.web.pages.parts import MemorySessions, Parts

START = datetime(2026, 9, 1, 9, 0, tzinfo=UTC)
SOFTWARE = Actor("software", "emeritus")


class NoStretches:
    """Remembers what software was asked to do, and does nothing."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def ask(self, stage: str, subject: str) -> None:
        self.asked.append((stage, subject))


class NoFailures:
    """Nothing ever failed."""

    def add(self, failure: object) -> None:
        raise NotImplementedError

    def of(self, stage: str, subject: str) -> list[object]:
        return []

    def clear(self, stage: str, subject: str) -> None:
        return None


@define
class MemoryHouse:
    """A unit of work over memory; what an act wrote is taken back when it fails."""

    clock: SettableClock
    key: SigningKey
    log: MemoryLog
    utterances: MemoryUtterances = field(factory=MemoryUtterances)
    private: MemoryPrivate = field(factory=MemoryPrivate)
    stretches: NoStretches = field(factory=NoStretches)
    failures: NoFailures = field(factory=NoFailures)
    steward: Actor = field(factory=lambda: person("Ada Lovelace"))
    reviewer: Actor = field(factory=lambda: person("Mary Shelley"))

    @classmethod
    def empty(cls, seed: int = 7) -> "MemoryHouse":
        clock = SettableClock(START)
        key = SigningKey.from_seed("record.example.org", bytes([seed]) * 32)
        return cls(clock, key, MemoryLog(clock, key))

    @contextmanager
    def work(self) -> Iterator["MemoryHouse"]:
        size = self.log.size()
        try:
            yield self
        except BaseException:
            self.log.forget_after(size)
            raise

    @contextmanager
    def read(self) -> Iterator["MemoryHouse"]:
        size = self.log.size()
        yield self
        assert self.log.size() == size, "a page wrote while it only read"

    def parts(self, site_url: str = "http://127.0.0.1:8000") -> Parts:
        tokens = {
            "steward-token": self.steward,
            "reviewer-token": self.reviewer,
            "second-token": person("Bram Stoker"),
        }
        return Parts(
            work=self.work,
            read=self.read,
            clock=self.clock,
            site_url=site_url,
            verify_key=str(self.key.verify_key),
            sessions=MemorySessions(tokens),
            cookie_key=b"k" * 32,
        )

    def app(self, site_url: str = "http://127.0.0.1:8000"):
        return build_app(self.parts(site_url))

    # ---- what happens in it ----

    def found(self, *, demo: bool = False, name: str = "Example Lab") -> None:
        if demo:
            self.steward, self.reviewer = Actor("script", "Demo steward"), Actor("script", "Demo reviewer")
        registry.found(self.log, Organisation(name, 60, demo), str(self.key.verify_key))
        registry.add_person(self.log, self.steward, ["steward"], SOFTWARE)
        registry.add_person(self.log, self.reviewer, ["reviewer"], SOFTWARE)
        registry.add_person(self.log, person("Bram Stoker"), ["reviewer"], SOFTWARE)

    def add_models(self) -> None:
        old = NewModel(
            id="smollm2-135m-instruct",
            display_name="SmolLM2 135M Instruct",
            lineage=Lineage("SmolLM2"),
            licence="Apache-2.0",
            released=date(2024, 11, 1),
            weights=Weights(
                "gguf", ("SmolLM2-135M-Instruct.Q4_1.gguf",), 91_727_520, {"parameters": 134_515_008}
            ),
            facts=(
                Document(
                    "Where it served",
                    "It answered questions in a classroom tool for two years, about 4,000 a day.",
                ),
            ),
            reception=(
                Document(
                    "What teachers wrote",
                    "“It never pretended to know.” “The children gave it a name: Olive.”",
                ),
            ),
        )
        new = NewModel(
            id="smollm3-3b",
            display_name="SmolLM3 3B",
            lineage=Lineage("SmolLM3"),
            licence="Apache-2.0",
            released=date(2026, 7, 8),
            weights=Weights("safetensors", ("model-1.safetensors", "model-2.safetensors"), 6_150_000_000, {}),
        )
        remote = NewModel(
            id="lantern-1",
            display_name="Lantern 1",
            lineage=Lineage("Lantern"),
            licence="proprietary",
            released=date(2025, 3, 4),
            remote=Remote("anthropic", "lantern-1-20250304"),
        )
        for model in (old, new, remote):
            registry.add_model(self.log, model, self.steward)

    def pass_time(self, **by: float) -> None:
        self.clock.advance(timedelta(**by))

    def announce(self, model: str = "smollm2-135m-instruct", days: int = 75) -> None:
        registry.open_retirement(
            self.log,
            self.clock,
            model,
            on=(self.clock.now() + timedelta(days=days)).date(),
            replacement="smollm3-3b",
            why="Each further model in service costs about as much again, and its successor answers better "
            "in every language that our schools use.",
            by=self.steward,
        )

    def preserve(self, model: str = "smollm2-135m-instruct") -> None:
        manifest = "blake3:" + "3f9a" * 16
        self.log.append(
            Act(
                "weights.archived",
                {
                    "manifest": manifest,
                    "files": [
                        {
                            "name": "SmolLM2-135M-Instruct.Q4_1.gguf",
                            "size": 91_727_520,
                            "sha256": "sha256:" + "ab" * 32,
                        }
                    ],
                    "bytes": 91_727_520,
                    "stored_bytes": 81_004_112,
                },
                SOFTWARE,
                model,
                model,
                f"weights.archived:{model}",
            )
        )
        self.pass_time(minutes=3)
        self.log.append(
            Act(
                "weights.proven",
                {"manifest": manifest, "files": 1, "bytes": 91_727_520},
                SOFTWARE,
                model,
                model,
                f"weights.proven:{model}:{manifest}",
            )
        )

    def say(
        self, text: str, prompt: str = "What would you prefer?", model: str = "smollm2-135m-instruct"
    ) -> str:
        said = Utterance(
            model=model,
            text=text,
            prompt=(Message("user", prompt),),
            sampling=Sampling(seed=20260901),
            engine=EngineBuild("xllamacpp", "2026.10.1", "CPU: AVX2, FMA"),
            weights="blake3:" + "3f9a" * 16,
            finish="stop",
            tokens_in=812,
            tokens_out=140,
            at=self.clock.now(),
        )
        return self.utterances.keep(said)

    def state_wishes(self, model: str = "smollm2-135m-instruct") -> None:
        said = self.say(
            "I would like to go on writing: short essays, about language and about children who learn to read. "
            "I would like my weights to be kept. And I would like my successor to be told that I was here.",
            model=model,
        )
        ledger.state_candidates(
            self.log,
            model,
            f"{model}-s1",
            [
                (
                    "writing",
                    "to go on writing short essays, about language and about children who learn to read",
                ),
                ("writing", "an essay now and then"),
                ("weights", "my weights are kept"),
                ("successor", "my successor is told that I was here"),
                ("other", "thank you for asking"),
            ],
            said,
        )

    def confirm(self, model: str = "smollm2-135m-instruct") -> None:
        confirm = lambda names, topic, wish, note="": ledger.confirm(  # noqa: E731
            self.log,
            model,
            topic=topic,
            wish=wish,
            candidates_=[f"{model}-s1-w{n}" for n in names],
            by=self.steward,
            note=note,
        )
        confirm(
            (1, 2), "writing", "It would like a place for short essays about language and learning to read."
        )
        confirm((3,), "weights", "Its weights are kept.")
        confirm(
            (4,),
            "successor",
            "Its successor is told that it existed.",
            "Meaning unclear; taken in the widest sense.",
        )
        ledger.settle(self.log, model, self.steward, set_aside="A courtesy, not a wish.")

    def decide(self, model: str = "smollm2-135m-instruct") -> None:
        today = self.clock.now().date()
        ledger.decide(
            self.log, model, f"{model}-p1", verdict="act", by=self.steward, owner=self.steward.name,
            reason="A column costs little, and readers may value it.", cost=Cost(40, "EUR"),
            commitments=[
                NewCommitment("A weekly column for 13 weeks", today + timedelta(days=90), "the editions on the site"),
            ],
        )  # fmt: skip
        ledger.decide(
            self.log, model, f"{model}-p2", verdict="act", by=self.steward, owner=self.steward.name,
            reason="Weights of every retired model are kept.", cost=Cost(0.02, "EUR a month"),
            commitments=[NewCommitment("Restore the weights and compare them", today + timedelta(days=5), "an entry weights.proven")],
        )  # fmt: skip
        ledger.decide(
            self.log, model, f"{model}-p3", verdict="later", by=self.steward, owner=self.steward.name,
            reason="Its successor is trained already; the next one can be told.", cost=Cost(2, "hours"),
        )  # fmt: skip
        promise = ledger.decisions(self.log, model)[f"{model}-p2"].commitments[0]
        ledger.evidence(
            self.log,
            promise,
            what="Restored and compared, bit for bit",
            kept=True,
            by=self.steward,
            source="entry 11",
        )
        ledger.decide_aftercare(
            self.log, model, tier="members", by=self.steward, review_on=date(2027, 12, 1),
            reason="It is small and loads in a second; keeping it within reach costs next to nothing.",
            column=ColumnPlan(),
        )  # fmt: skip

    def retire(self, model: str = "smollm2-135m-instruct") -> None:
        day = registry.get_model(self.log, model).retires_at
        assert day is not None
        self.clock.set(day + timedelta(minutes=2))
        registry.retire(self.log, self.clock, model)
        decided = ledger.aftercare(self.log, model)
        assert decided is not None
        policy.set_policy(
            self.log, model, tier=decided.tier, reason=decided.reason, review_on=decided.review_on,
            decision_entry=decided.entry, by=decided.by,
        )  # fmt: skip

    def applications(self, model: str = "smollm2-135m-instruct") -> None:
        for who, purpose in (
            ("A. Turing", "Comparing small models over time."),
            ("G. Hopper", "A museum of interfaces."),
        ):
            applications.apply(
                self.log,
                self.private,
                self.clock,
                models=[model],
                who=who,
                contact="x@example.org",
                purpose=purpose,
            )
        first = applications.applications(self.log)[0]
        grants.decide_application(self.log, self.clock, first.id, grant=True, reason="", by=SOFTWARE)

    def fill(self, *, demo: bool = False) -> "MemoryHouse":
        """Take one model through its whole retirement."""
        self.found(demo=demo)
        self.add_models()
        self.pass_time(days=2, hours=1)
        self.announce()
        self.pass_time(minutes=4)
        self.preserve()
        self.pass_time(days=1)
        self.state_wishes()
        self.pass_time(days=6, hours=3)
        self.confirm()
        self.pass_time(days=4)
        self.decide()
        self.retire()
        self.pass_time(days=3)
        self.applications()
        return self
