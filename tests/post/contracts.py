"""What every outbox (`Post`) has to do, whatever it is kept in. A subclass gives the fixture ``post``, and a clock."""

from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve

from emeritus.core.clock import SettableClock
from emeritus.core.errors import InvalidInput
from emeritus.process.ports import HANDED_FOR, Letter, Mark, Post

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def letter(number: int = 1, **more) -> Letter:
    made = Letter(f"key-{number}", f"reader{number}@example.org", "Essays", "Words.", "<p>Words.</p>")
    return evolve(made, **more)


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(NOON)


class PostContract:
    def test_comes_back_as_it_was_sent(self, post: Post):
        """A letter is taken whole, with the time at which it was sent and an id that stays."""
        full = letter(headers={"List-Id": "x"}, fields={"⟦a⟧": "b"}, kind="edition")
        post.send(full)
        [taken] = post.take("mine", NOON, 10)
        assert (taken.letter, taken.attempts, taken.uncertain, taken.made_at) == (full, 0, 0, NOON)
        [again] = post.take("yours", NOON, 10)
        assert again == taken

    def test_a_key_is_one_letter(self, post: Post):
        """The same key twice is one mail, also after it was sent."""
        post.send(letter())
        post.send(letter(subject="Another"))
        [taken] = post.take("mine", NOON, 10)
        assert taken.letter.subject == "Essays"
        post.mark("mine", [Mark(taken.id, "handed")], NOON)
        assert post.mark("mine", [Mark(taken.id, "sent")], NOON) == {taken.id}
        post.send(letter())
        assert not post.due(NOON + timedelta(days=1))

    @pytest.mark.parametrize(
        "address", ["", "x", "a@b@c", "a b@example.org", "a@example.org\nBcc: x@y.example", '"a"@b.example', "a@-x.example"]
    )  # fmt: skip
    def test_what_is_no_address_is_refused(self, post: Post, address: str):
        """Nothing is kept of it."""
        with pytest.raises(InvalidInput):
            post.send(letter(to=address))
        assert post.tally() == []

    def test_only_the_last_claim_counts(self, post: Post):
        """A worker that was thought dead marks nothing that another has taken."""
        post.send(letter())
        [taken] = post.take("dead", NOON, 10)
        post.take("alive", NOON, 10)
        assert post.mark("dead", [Mark(taken.id, "handed")], NOON) == set()
        assert post.mark("alive", [Mark(taken.id, "handed")], NOON) == {taken.id}

    def test_what_was_handed_over_is_left_alone_for_a_while(self, post: Post):
        """Then it is due again, and known as a letter that may have arrived."""
        post.send(letter())
        [taken] = post.take("mine", NOON, 10)
        post.mark("mine", [Mark(taken.id, "handed")], NOON)
        assert not post.due(NOON + HANDED_FOR / 2)
        assert post.take("next", NOON + HANDED_FOR / 2, 10) == []
        [again] = post.take("next", NOON + HANDED_FOR, 10)
        assert (again.id, again.uncertain) == (taken.id, 1)
        [later] = post.take("next", NOON + HANDED_FOR, 10)
        assert later.uncertain == 1

    def test_what_was_put_off_waits(self, post: Post):
        """It comes back at its time, with one attempt more, and what the server said."""
        post.send(letter())
        [taken] = post.take("mine", NOON, 10)
        later = NOON + timedelta(minutes=5)
        post.mark("mine", [Mark(taken.id, "waiting", "451 try later", later)], NOON)
        assert post.take("mine", later - timedelta(seconds=1), 10) == []
        assert post.tally()[0].said == "451 try later"
        assert post.take("mine", later, 10)[0].attempts == 1

    def test_people_come_before_editions(self, post: Post, clock: SettableClock):
        """What one person waits for is not stuck behind what goes to everybody."""
        for number in range(3):
            post.send(letter(number, kind="edition"))
        clock.advance(timedelta(seconds=1))
        post.send(letter(9, kind="confirm"))
        taken = post.take("mine", clock.now(), 2)
        assert [each.letter.kind for each in taken] == ["confirm", "edition"]

    def test_letters_can_be_given_up(self, post: Post):
        """By kind and by the beginning of their keys, as long as they wait."""
        for number in (1, 2):
            post.send(letter(number, key=f"subscriber:{number}:x", kind="edition"))
        post.send(letter(3))
        assert post.drop(key_prefix="subscriber:1:") == 1
        assert post.drop(kind="edition") == 1
        assert [each.letter.key for each in post.take("mine", NOON, 10)] == ["key-3"]
        assert {(each.kind, each.state, each.count) for each in post.tally()} == {
            ("edition", "failed", 2),
            ("notice", "waiting", 1),
        }

    def test_a_bounce_names_its_letter(self, post: Post):
        """By its id; an unknown one is nothing."""
        post.send(letter())
        [taken] = post.take("mine", NOON, 10)
        post.mark("mine", [Mark(taken.id, "sent")], NOON)
        assert post.bounced(taken.id, "550") == "key-1"
        assert post.bounced("letter-00000000000000000000", "550") is None
        assert [(each.state, each.said) for each in post.tally()] == [("bounced", "550")]
