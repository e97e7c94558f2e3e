"""Matching and reporting through the process: on both stores, by whom it has to be, and resumable."""

import pytest

from emeritus.core.errors import NotFound, NotPermitted, Unavailable
from emeritus.interviews.matching import NONE, matching, sample
from emeritus.process import matching as stage
from emeritus.process.report import draft_report, publish_report, published_report

from .conftest import ADA, MODEL, RAY


@pytest.fixture
def interviewed(retirement):
    """A retirement whose interview was held: it stated two wishes."""
    retirement.register()
    retirement.announce()
    retirement.software()
    return retirement


def test_the_model_is_asked_and_then_a_steward(interviewed):
    """Each question is put on record with its words; an engine that dies costs nothing; a steward is asked too."""
    parts = interviewed.parts
    dying = interviewed.parts.voices.one

    class Dies:
        def speak(self, *_, **__):
            raise Unavailable("The engine died.", next_step="Call again.")

    parts.voices.one = Dies()
    with pytest.raises(Unavailable):
        stage.stride(parts, MODEL)
    parts.voices.one = dying
    asked = 0
    while stage.stride(parts, MODEL):
        asked += 1
    assert asked == 2
    with interviewed.work() as work:
        found = matching(work.log, MODEL)
        assert found.finished
        [matter] = sample(work.log, MODEL, ADA, 5)
        for each in work.log.entries(kinds={"wish.matched"}):
            assert work.utterances.get(each.body["utterance"]).text
        with pytest.raises(NotPermitted):
            stage.judge(work, MODEL, matter.id, NONE, by=RAY)
        stage.judge(work, MODEL, matter.id, NONE, by=ADA)
        assert matching(work.log, MODEL).judged[0].sample == 1
    with pytest.raises(NotFound):
        stage.stride(parts, "nobody")
    with pytest.raises(NotFound):
        stage.stride(parts, MODEL, "nobody")


def test_a_report_is_kept_and_read_again(interviewed):
    """What is published is read back byte for byte, from either store."""
    with interviewed.work() as work:
        draft = draft_report(work.log, MODEL)
        entry = publish_report(work, draft, by=ADA, pdf=b"%PDF-")
    with interviewed.work() as work:
        found, data = published_report(work, MODEL)
        assert (found.seq, data) == (entry.seq, draft.data)
        assert work.documents.get(entry.body["pdf"]).data == b"%PDF-"
        assert publish_report(work, draft_report(work.log, MODEL), by=ADA).seq == entry.seq
        with pytest.raises(NotFound):
            published_report(work, MODEL, 2)
