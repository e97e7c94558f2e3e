"""A copy of a site as plain files: always whole, for whoever reads it at any moment."""

from pathlib import Path

import pytest

from emeritus.core.errors import Conflict, InvalidInput, NotFound
from emeritus.process import export as module
from emeritus.process.export import export
from emeritus.process.verify import Target, check
from emeritus.record.source import FolderSource

from .conftest import ESSAY, MODEL, files_in


@pytest.fixture
def house(new_house):
    return new_house().fill()


def is_sound(house, folder):
    return check(Target("site", "", FolderSource(folder)), [house.key.verify_key]).is_sound


def test_a_copy_has_what_the_site_serves(house, tmp_path):
    """Every file lies at the path, and has the bytes, that the live site serves."""
    import importlib.util

    if importlib.util.find_spec("starlette") is None:
        pytest.skip("no web")
    from starlette.testclient import TestClient

    export(house.read, tmp_path / "site")
    client = TestClient(house.app(), base_url="http://127.0.0.1:8000")
    found = files_in(tmp_path / "site")
    assert f"column/essays/{ESSAY}.txt" in found
    assert f"models/{MODEL}/interview/1.json" in found
    for path, data in found.items():
        answer = client.get(f"/{path}", headers={"accept-encoding": "identity"})
        assert (answer.status_code, answer.content) == (200, data), path


def test_only_what_is_public_is_copied(new_house, tmp_path):
    """An interview that the model did not release, and a draft that nobody published, stay in the house."""
    house = new_house()
    house.found()
    house.add_models()
    house.announce()
    house.interview({"publication": '{"answer": "no"}'})
    export(house.read, tmp_path / "site")
    assert {name.split("/")[0] for name in files_in(tmp_path / "site")} == {"record"}
    assert is_sound(house, tmp_path / "site")


def test_the_next_copy_writes_what_is_new(house, tmp_path):
    """Nothing new: nothing is written. A new entry: its tiles, its bundle and the checkpoint."""
    folder = tmp_path / "site"
    assert export(house.read, folder).written > 20
    assert export(house.read, folder).written == 0
    house.say_something()
    assert export(house.read, folder).written == 3
    assert is_sound(house, folder)


def test_tiles_of_the_last_checkpoint_stay_for_who_reads_it(house, tmp_path):
    """Whoever fetched the checkpoint before this export can still fetch its tiles; those before that are gone."""
    folder = tmp_path / "site"
    old = []
    for _ in range(3):
        export(house.read, folder)
        old.append((folder / "record/checkpoint").read_bytes())
        house.say_something()
    now = (folder / "record/checkpoint").read_bytes()
    for note, works in ((old[1], True), (old[0], False)):
        (folder / "record/checkpoint").write_bytes(note)
        if works:
            assert is_sound(house, folder)
        else:
            with pytest.raises(NotFound):
                is_sound(house, folder)
        (folder / "record/checkpoint").write_bytes(now)


def test_broken_off_anywhere(house, tmp_path, monkeypatch):
    """Stopped before any of its steps, the copy is what it was, or what it became; and the next export ends it."""
    folder = tmp_path / "site"
    export(house.read, folder)
    replace = Path.replace
    for after in range(6):
        house.say_something()
        done = 0

        def stop(path, target, after=after):
            nonlocal done
            if done == after:
                raise KeyboardInterrupt
            done += 1
            return replace(path, target)

        monkeypatch.setattr(module.Path, "replace", stop)
        if after < 3:
            with pytest.raises(KeyboardInterrupt):
                export(house.read, folder)
        else:
            export(house.read, folder)
        monkeypatch.undo()
        assert is_sound(house, folder)
    export(house.read, folder)
    assert not [name for name in files_in(folder) if name.endswith(".part")]
    assert is_sound(house, folder)


def test_a_first_copy_that_was_broken_off(house, tmp_path, monkeypatch):
    """Without a checkpoint there is nothing to check, and the next export goes on."""
    folder = tmp_path / "site"
    monkeypatch.setattr(module, "_CHECKPOINT", "record/\0")
    with pytest.raises(ValueError, match="null"):
        export(house.read, folder)
    monkeypatch.undo()
    assert not (folder / "record/checkpoint").exists()
    export(house.read, folder)
    assert is_sound(house, folder)


def test_something_else_is_never_written_over(house, new_house, tmp_path):
    """Another folder, a copy of another record, or of a longer one, is refused and stays as it is."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InvalidInput):
        export(house.read, tmp_path / "mine")
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput):
        export(house.read, tmp_path / "file")
    folder = tmp_path / "site"
    export(house.read, folder)
    before = files_in(folder)
    other = new_house()
    other.found(name="Another Lab")
    with pytest.raises(Conflict):
        export(other.read, folder)
    assert files_in(folder) == before


def test_what_is_not_public_any_more_goes(house, tmp_path):
    """A file below the copy's own folders that is not public is removed; what others put beside it stays."""
    folder = tmp_path / "site"
    export(house.read, folder)
    (folder / "utterances" / "sha256:00").write_text("{}")
    (folder / "index.html").write_text("hosted by a friend")
    assert export(house.read, folder).removed == 1
    assert (folder / "index.html").exists()
