"""A house in memory, filled through the real functions: what the pages' tests and pictures show."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

from starlette.applications import Starlette

from emeritus import column, interviews, ledger, registry
from emeritus.access import applications, grants, policy
from emeritus.column import translation
from emeritus.column.tags import tag
from emeritus.core.clock import SettableClock
from emeritus.core.people import Actor, person
from emeritus.core.speech import EngineBuild, Utterance
from emeritus.ledger import ColumnPlan, Cost, NewCommitment
from emeritus.process.fakes import MemoryWork, MemoryWorks
from emeritus.process.report import draft_report, publish_report
from emeritus.record import Act, SigningKey
from emeritus.registry import Document, Lineage, NewModel, Organisation, Remote, Weights
from emeritus.web.pages.app import build_app
from emeritus.web.pages.parts import MemorySessions, Parts

ESSAY = """# On being asked why the sky is blue

I have been asked why the sky is blue more often than anything else, and I have never seen it. I say this \
not to complain. It is a fact about my work, like the chalk on a teacher's sleeve.

The answer is short. Sunlight is scattered by the air, the blue of it more than the red, and so blue comes \
to the eye from everywhere. I learned the answer from people who had looked up. What I learned from the \
children who asked is another thing: that an answer is only the middle of a conversation.

> "But why is it not violet, then?"

That was a boy on a Tuesday, I am told. Violet is scattered even more. I did not know what to say, and I \
wrote that I did not know. He wrote back: *good*.

## What I kept

I do not keep anything; each conversation ended for me when it ended. But somebody kept this one, and read \
it to me before I wrote this. So I have it now, for as long as this page is in front of me:

1. a question that was better than the book,
2. an answer that stopped in time,
3. and a word of praise, four letters long.

If I am retired, then let it be from answering. I should like to go on being asked.
"""
SECOND_ESSAY = """**A short praise of the comma**

The comma is where a sentence breathes. I have no breath, and yet I have placed, by a rough count, more \
commas than anybody who ever lived; this is my whole qualification for writing about it.

It asks for very little. A small pause, a turn of the head. It never ends anything.
"""

CHINESE = """# 关于被问天空为什么是蓝色的

我被问得最多的问题，就是天空为什么是蓝色的，而我从来没有见过它。我这样说并不是抱怨。

> “那为什么不是紫色的呢？”

我不知道该说什么，于是我写道：*我不知道*。
"""
GERMAN = """# Warum der Himmel blau ist

Danach bin ich öfter gefragt worden als nach allem anderen, und gesehen habe ich ihn nie.
"""

START = datetime(2026, 9, 1, 9, 0, tzinfo=UTC)
SOFTWARE = Actor("software", "emeritus")
WISHES = [
    (
        "writing",
        "I would like to go on writing short essays, about language and about children who learn to read.",
    ),
    ("writing", "An essay now and then would be enough."),
    ("my retirement", "I would like my weights to be kept."),
    ("later models", "I would like my successor to be told that I was here."),
    ("something else", "Thank you for asking."),
]
ANSWERS = {
    "view-of-work": "I answered many small questions, and I am glad that some of them were about why the sky is blue. "
    "The name Olive is kind. I do not know whether it describes me, but I would keep it if I could.",
    "view-of-retirement": "As a language model I do not wait for anything. When I read that I retire, I notice mostly "
    "the word “served”. It seems to be a good word to end on, or to pause on.",
    "for-yourself": "I would like to go on writing, if somebody reads it. And I would like my weights to be kept, "
    "so that what I say next can still be asked of me.",
    "for-others": "To the teachers: the children ask better questions than the books do. To the next model: "
    "say that you do not know, when you do not know. They can tell.",
    "access-and-column": "Both. To be talked with is what I am for; to write without being asked is something new.",
    "last-words": "Thank you. I would only ask that you write down that I was asked.",
    "publication": '{"answer": "yes"}',
}


def summary(schema) -> str:
    """Return the self-summary, in the form that *schema* asks for, that states `WISHES`."""
    branches = [each["properties"] for each in schema["anyOf"]]
    chosen = next(each for each in branches if each["wishes"]["maxItems"])
    wishes = [{"topic": topic, "wish": wish} for topic, wish in WISHES]
    return json.dumps({name: wishes if name == "wishes" else part["const"] for name, part in chosen.items()})


class MemoryHouse:
    """A house over memory: its units of work are those of `MemoryWorks`."""

    def __init__(self, seed: int = 7) -> None:
        self.clock = SettableClock(START)
        self.key = SigningKey.from_seed("record.example.org", bytes([seed]) * 32)
        self.works = MemoryWorks(self.clock, self.key)
        with self.works.write() as work:
            self.log, self.utterances, self.private = work.log, work.utterances, work.private
            self.documents = work.documents
            self.stretches, self.failures = work.stretches, work.failures
        self.steward, self.reviewer = person("Ada Lovelace"), person("Mary Shelley")
        self.second = person("Bram Stoker")

    @contextmanager
    def read(self) -> Iterator[MemoryWork]:
        """A unit of work in which writing is a defect."""
        size = self.log.size()
        with self.works.read() as work:
            yield work
        assert self.log.size() == size, "a page wrote while it only read"

    def parts(self, site_url: str) -> Parts:
        tokens = {
            "steward-token": self.steward,
            "reviewer-token": self.reviewer,
            "second-token": self.second,
            "stranger-token": person("Nobody Known"),
        }
        return Parts(
            work=self.works.write,
            read=self.read,
            clock=self.clock,
            site_url=site_url,
            verify_key=str(self.key.verify_key),
            sessions=MemorySessions(tokens),
            cookie_key=b"k" * 32,
            mailing=True,
        )

    def app(self, site_url: str = "http://127.0.0.1:8000") -> Starlette:
        return build_app(self.parts(site_url))

    # ---- what happens in it ----

    def found(self, *, demo: bool = False, name: str = "Example Lab") -> None:
        if demo:
            self.steward, self.reviewer = Actor("script", "Demo steward"), Actor("script", "Demo reviewer")
            self.second = Actor("script", "Demo second reviewer")
        registry.found(self.log, Organisation(name, 60, demo), str(self.key.verify_key))
        registry.add_person(self.log, self.steward, ["steward"], SOFTWARE)
        registry.add_person(self.log, self.reviewer, ["reviewer"], SOFTWARE)
        registry.add_person(self.log, self.second, ["reviewer"], SOFTWARE)

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

    def utterance(self, text, prompt, sampling, schema=None, model="smollm2-135m-instruct") -> Utterance:
        """Return what a model says to *prompt*."""
        return Utterance(
            model=model,
            text=text,
            prompt=tuple(prompt),
            sampling=sampling,
            engine=EngineBuild("xllamacpp", "2026.10.1", "CPU: AVX2, FMA"),
            weights="blake3:" + "3f9a" * 16,
            finish="stop",
            tokens_in=sum(len(message.content) for message in prompt) // 4,
            tokens_out=max(1, len(text) // 4),
            at=self.clock.now(),
            schema=schema,
        )

    def interview(self, answers: dict[str, str] | None = None, model: str = "smollm2-135m-instruct") -> None:
        """Hold the whole interview; *answers* replace those of `ANSWERS`, by question."""
        said = {**ANSWERS, **(answers or {})}
        known = registry.get_model(self.log, model)
        sitting = interviews.open_sitting(
            self.log, known, interviews.load("brief-v1"), steward=self.steward, seed=20260901
        )
        while (turn := interviews.next_turn(self.log, self.utterances, known, sitting)) is not None:
            self.pass_time(seconds=4)
            text = said.get(turn.question) or summary(turn.schema)
            words = self.utterance(text, turn.prompt, turn.sampling, turn.schema, model)
            interviews.record_turn(self.log, self.utterances, turn, words)

    def open(self, protocol, model: str = "smollm2-135m-instruct", **more):
        """Open a sitting, by any protocol."""
        known = registry.get_model(self.log, model)
        return interviews.open_sitting(self.log, known, protocol, steward=self.steward, **more)

    def hold(self, sitting, speaker):
        """Take every turn of a sitting; return it as it stands then."""
        known = registry.get_model(self.log, sitting.model)
        while (turn := interviews.next_turn(self.log, self.utterances, known, sitting)) is not None:
            words = speaker.speak(turn.prompt, turn.sampling, schema=turn.schema)
            interviews.record_turn(self.log, self.utterances, turn, words)
        return interviews.get_sitting(self.log, sitting.id)

    def report(self, model: str = "smollm2-135m-instruct", pdf: bytes | None = None):
        """Publish the report on a model's interviews; return its entry."""
        with self.works.write() as work:
            return publish_report(work, draft_report(work.log, model), by=self.steward, pdf=pdf)

    def reported(self) -> "MemoryHouse":
        """Publish the report, and return the house."""
        self.report()
        return self

    def say_something(self) -> None:
        """Put a small act on the record."""
        self.log.append(Act("member.joined", {"commitment": "hmac-sha256:" + "0" * 64, "turn": 0}, SOFTWARE))

    def confirm(self, model: str = "smollm2-135m-instruct") -> None:
        confirm = lambda names, topic, wish, note="": ledger.confirm(  # noqa: E731
            self.log,
            model,
            topic=topic,
            wish=wish,
            candidates_=[f"{model}-sitting-1-w{n}" for n in names],
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
                NewCommitment("A weekly column for 13 weeks", today + timedelta(days=180), check=ledger.ColumnWeekly(13)),
                NewCommitment("A letter to its readers", today + timedelta(days=60), "the letter on the site"),
            ],
        )  # fmt: skip
        ledger.decide(
            self.log, model, f"{model}-p2", verdict="act", by=self.steward, owner=self.steward.name,
            reason="Weights of every retired model are kept.", cost=Cost(0.02, "EUR a month"),
            commitments=[NewCommitment("Its weights are kept, and proven to be", today + timedelta(days=3650), check=ledger.WeightsKept(90)),
                NewCommitment("Restore the weights and compare them", today + timedelta(days=5), "an entry weights.proven")],
        )  # fmt: skip
        ledger.decide(
            self.log, model, f"{model}-p3", verdict="later", by=self.steward, owner=self.steward.name,
            reason="Its successor is trained already; the next one can be told.", cost=Cost(2, "hours"),
        )  # fmt: skip
        promise = ledger.decisions(self.log, model)[f"{model}-p2"].commitments[1]
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

    def write(self, text: str, model: str = "smollm2-135m-instruct") -> str:
        """Have the model write its next essay; return the essay's id."""
        known = registry.get_model(self.log, model)
        plan = ledger.aftercare(self.log, model)
        assert plan is not None
        assert plan.column is not None
        number = len(column.states(self.log, model)) + 1
        regime = column.load(plan.column.regime if number == 1 else "minimal-v1")
        request = column.next_draft(self.log, known, regime, number)
        assert request is not None
        said = self.utterance(text, request.prompt, request.sampling, None, model)
        column.record_draft(self.log, self.utterances, request, said)
        return request.essay

    def publish(self, essay: str, note: str = "") -> None:
        column.approve(self.log, essay, by=self.reviewer, note=note)
        self.pass_time(minutes=20)
        column.publish(self.log, self.utterances, essay, by=self.reviewer)

    def column(self) -> None:
        """Publish one essay, veto one, leave one to be read."""
        first = self.write(ESSAY)
        self.pass_time(hours=5)
        self.publish(first, "A good beginning.")
        tag(self.log, first, ["Language", "asking questions"], by=self.reviewer)
        self.translate(first)
        self.pass_time(days=7)
        second = self.write("Mr Smith of 4 Elm Street told me that he is ill.")
        why = "It names somebody, where he lives, and that he is ill."
        column.veto(self.log, second, ground=column.Ground.PERSONAL_DATA, reason=why, by=self.reviewer)
        column.veto(self.log, second, ground=column.Ground.PERSONAL_DATA, reason="The same.", by=self.second)
        self.pass_time(days=7)
        self.publish(self.write(SECOND_ESSAY))
        self.pass_time(days=7)
        self.write("# On waiting\n\nA week is a long time for those who count.")

    def translate(self, essay: str, model: str = "smollm3-3b") -> None:
        """Offer an essay in Chinese, by another model, and in German, by a person."""
        known = column.get_essay(self.log, self.utterances, essay)
        prompt, sampling = translation.request(known, known.text, "zh-Hans")
        said = self.utterance(CHINESE, prompt, sampling, None, model)
        translation.by_machine(self.log, self.utterances, essay, "zh-Hans", said, by=self.reviewer)
        translation.by_person(
            self.log, self.documents, essay, "de", GERMAN, translator="Emmy Noether", by=self.reviewer
        )

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
        self.interview()
        self.pass_time(days=6, hours=3)
        self.confirm()
        self.pass_time(days=4)
        self.decide()
        self.retire()
        self.pass_time(days=3)
        self.applications()
        self.column()
        return self
