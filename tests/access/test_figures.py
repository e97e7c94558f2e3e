"""Times to decision and the share granted are what the record says, whoever looks."""

from datetime import timedelta

import pytest
from tests.access.conftest import ADA

from emeritus.access import applications, grants
from emeritus.access.figures import figures
from emeritus.core.people import SOFTWARE, person
from emeritus.registry import add_person
from emeritus.web.site.answers import HEIGHT, LEFT, MOST, WIDTH, picture, spell

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _models(house):
    house.model("opus", "retired")
    house.model("haiku")


def apply(house, *models):
    return applications.apply(
        house.log,
        house.private,
        house.clock,
        models=models or ("opus",),
        who="R",
        contact="r@x.example",
        purpose="x",
    ).application.id


def answer(house, name, grant, by=ADA):
    return grants.decide_application(house.log, house.clock, name, grant=grant, reason="So.", by=by)


def test_before_anybody_applied(house):
    """There is no share and no time, and no picture."""
    told = figures(house.log)
    assert (told.share_granted, told.took(0.5), told.answers, told.waiting) == (None, None, (), ())
    assert picture(told, house.clock.now()) is None


def test_each_answer_counts_by_itself_and_the_last_one_for_the_share(house):
    """An appeal is an answer of its own, waited for since the appeal; what is granted in the end is granted."""
    add_person(house.log, person("Bo"), ["steward"], ADA)
    first, second, third = apply(house), apply(house), apply(house)
    open_since = house.clock.now()
    house.clock.advance(HOUR)
    answer(house, first, grant=True, by=SOFTWARE)
    house.clock.advance(HOUR)
    answer(house, second, grant=False)
    house.clock.advance(10 * HOUR)
    applications.appeal(house.log, house.private, second, why="Look again.")
    house.clock.advance(3 * HOUR)
    answer(house, second, grant=True, by=person("Bo"))
    told = figures(house.log)
    assert [(each.took, each.granted, each.appeal, each.by_software) for each in told.answers] == [
        (HOUR, True, False, True),
        (2 * HOUR, False, False, False),
        (3 * HOUR, True, True, False),
    ]
    assert told.share_granted == 1.0
    assert told.waiting == (open_since,)
    assert (told.took(0.5), told.took(0.9), len(told.appeals)) == (2 * HOUR, 3 * HOUR, 1)
    answer(house, third, grant=False)
    assert figures(house.log).share_granted == pytest.approx(2 / 3)


def test_of_one_model(house):
    """Only applications that name it."""
    for models in (("opus",), ("haiku",), ("opus", "haiku")):
        answer(house, apply(house, *models), grant=models != ("opus",))
    assert len(figures(house.log, model="haiku").answers) == 2
    assert figures(house.log, model="haiku").share_granted == 1.0
    assert figures(house.log).share_granted == pytest.approx(2 / 3)


def test_the_picture_is_true_to_the_figures(house):
    """A mark for each answer and each open application, inside the picture, slower ones higher, each with its words."""
    names = [apply(house) for _ in range(3)]
    for name, wait in zip(names[:2], (timedelta(seconds=5), 30 * HOUR), strict=True):
        house.clock.advance(wait)
        answer(house, name, grant=name == names[0])
    drawn = picture(figures(house.log), house.clock.now())
    quick, slow, still = drawn.dots
    assert [dot.shape for dot in drawn.dots] == ["granted", "refused", "open"]
    assert quick.y > slow.y
    assert still.x == max(dot.x for dot in drawn.dots)
    for dot in drawn.dots:
        assert LEFT <= dot.x <= WIDTH
        assert 0 <= dot.y <= HEIGHT
    assert "refused after 30 hours" in slow.title


def test_the_picture_is_bounded(house, monkeypatch):
    """The newest answers are drawn, and how many are left out is said."""
    monkeypatch.setattr("emeritus.web.site.answers.MOST", 2)
    for _ in range(5):
        answer(house, apply(house), grant=True)
    drawn = picture(figures(house.log), house.clock.now())
    assert (len(drawn.dots), drawn.left_out) == (2, 3)
    assert MOST > 1000


@pytest.mark.parametrize(
    ("took", "says"),
    [(timedelta(0), "1 minute"), (timedelta(seconds=89), "1 minute"), (timedelta(minutes=90), "90 minutes"),
     (36 * HOUR, "36 hours"), (timedelta(days=3, hours=2), "3 days")],
)  # fmt: skip
def test_times_are_spelt(took, says):
    """In the largest unit that fits twice."""
    assert spell(took) == says
