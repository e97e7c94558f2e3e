"""`emeritus archive protect | scrub | replicate | repair`: a house finds decay, mends it, and says so."""

import json
import shutil
from pathlib import Path

import pytest
from tests.archive.families import base_weights, tuned, write_model
from tests.cli.conftest import Shell, adding

from emeritus.archive import load
from emeritus.archive.facts import object_path
from emeritus.archive.parity import parity_path
from emeritus.store.blobs import FolderBlobs


@pytest.fixture(scope="module")
def made_family(made_house: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A house with two models in the archive, one a difference from the other; to be copied."""
    from click.testing import CliRunner

    from emeritus.cli import cli

    folder = tmp_path_factory.mktemp("family")
    shutil.copytree(made_house, folder / "house")
    weights = base_weights()
    base, child = write_model(folder / "b", weights), write_model(folder / "c", tuned(weights, 1))
    for words in (
        adding(base, "base-1", name="Base"),
        adding(child, "child-1", name="Child", base="base-1"),
        ["archive", "add", "--model", "base-1"],
        ["archive", "add", "--model", "child-1"],
    ):
        home = ["--home", str(folder / "house"), "--as", "Ada Lovelace"]
        CliRunner(catch_exceptions=False).invoke(cli, [*home, *words], standalone_mode=False)
    return folder / "house"


@pytest.fixture
def family(shell: Shell, made_family: Path) -> Shell:
    shutil.copytree(made_family, shell.home)
    return shell


def spoil(shell: Shell, path: str) -> None:
    file = shell.home / "archive" / path
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def objects(shell: Shell) -> tuple[str, str]:
    """Return the paths of a base and of an object that is a difference from it."""
    blobs = FolderBlobs(shell.home / "archive")
    told = {each["id"]: each["manifest"] for each in json.loads(shell.does("archive", "ls", "--json"))}
    bases = load("child-1", told["child-1"], blobs).bases
    above = max(bases, key=lambda digest: blobs.size(object_path(bases[digest])))
    return object_path(bases[above]), object_path(above)


def kinds(shell: Shell) -> list[tuple[str, str]]:
    told = json.loads(shell.does("record", "show", "--json", "--last", "50"))
    return [(each["kind"], each["by"]) for each in told if each["kind"].startswith("archive.")][::-1]


def test_a_sound_archive(family: Shell) -> None:
    """A scrub says so, with figures, and stands on the record under the name of whoever ran it."""
    assert family.does("archive", "scrub").startswith("Sound: 2 manifests")
    told = json.loads(family.does("archive", "scrub", "--decode", "--json", as_=None))
    assert told["sound"]
    assert told["decoded"]
    assert told["parity"] == 3
    assert kinds(family) == [
        ("archive.scrubbed", "person:Ada Lovelace"),
        ("archive.scrubbed", "software:emeritus"),
    ]


def test_a_base_decays_and_is_mended_from_parity(family: Shell) -> None:
    """Found, named with everybody who depends on it, mended without a replica, and both on the record."""
    base, _ = objects(family)
    spoil(family, base)
    ran = family("archive", "scrub")
    assert ran.code == 6
    assert "needed by base-1, child-1" in ran.err
    assert "1 objects are differences from it" in ran.err
    assert "repair --all" in ran.err
    assert f"mended from parity   {base}" in family.does("archive", "repair", "child-1")
    assert family.does("archive", "repair", "--all").startswith("Sound")
    assert family.does("archive", "scrub").startswith("Sound")
    assert [kind for kind, _ in kinds(family)] == ["archive.scrubbed", "archive.repaired", "archive.scrubbed"]


def test_beyond_repair_until_a_replica_is_named(family: Shell) -> None:
    """What cannot be mended is named, in words and as JSON; the replica gives it back."""
    assert "2 of them new" in family.does("archive", "replicate", "--to", "vault")
    assert "0 of them new: 0 objects" in family.does("archive", "replicate", "--to", "vault")
    _, above = objects(family)
    (family.home / "archive" / above).unlink()
    ran = family("archive", "repair", "--all", "--json")
    assert ran.code == 6
    (lost,) = json.loads(ran.out)["lost"]
    assert (lost["path"], lost["models"]) == (above, ["child-1"])
    assert "Beyond repair" in family("archive", "repair", "child-1").err
    told = json.loads(family.does("archive", "repair", "--all", "--from", "vault", "--json"))
    assert [(each["path"], each["source"]) for each in told["mended"]] == [(above, "replica")]
    assert family.does("archive", "verify", "child-1")


def test_a_replica_from_the_settings(family: Shell) -> None:
    """Named once in settings.toml: replicate and repair use it, and the record does not say where it is."""
    vault = family.home.parent / "vault"
    (family.home / "settings.toml").write_text(f'replicas = ["{vault}"]\n')
    told = json.loads(family.does("archive", "replicate", "--json"))
    assert [(each["to"], each["models"]) for each in told] == [(str(vault), 2)]
    base, above = objects(family)
    for path in (base, above):
        (family.home / "archive" / path).unlink()
    family.does("archive", "repair", "--all")
    assert str(vault) not in family.does("record", "show", "--json", "--last", "50")
    spoil_there = vault / above
    spoil_there.write_bytes(b"?")
    assert family("archive", "scrub", "--of", str(vault)).code == 6
    family.does("archive", "replicate", "--thorough")
    family.does("archive", "scrub", "--of", str(vault))


def test_damage_does_not_travel(family: Shell) -> None:
    _, above = objects(family)
    spoil(family, above)
    ran = family("archive", "replicate", "--to", "vault")
    assert ran.code == 6
    assert "was not copied" in ran.err
    assert [path.name for path in Path("vault/manifests").iterdir()] == ["base-1"]


def test_parity_for_everything(family: Shell) -> None:
    """Then a difference is mended without a replica, too."""
    _, above = objects(family)
    assert not (family.home / "archive" / parity_path(Path(above).name)).exists()
    told = json.loads(family.does("archive", "protect", "--all", "--percent", "12", "--json"))
    assert told["new"] == told["objects"] - 3
    assert json.loads(family.does("archive", "protect", "child-1", "--json"))["new"] == 0
    spoil(family, above)
    assert "mended from parity" in family.does("archive", "repair", "--all")
    family.refuses("archive", "protect", "nobody", code=3, fault="not_found", says="nobody")


def test_a_manifest_that_was_deleted(family: Shell) -> None:
    """The record says that it has to be there; it comes back from the store's own copy."""
    for path in (family.home / "archive/manifests/child-1").iterdir():
        path.unlink()
    ran = family("archive", "scrub", "--json")
    assert ran.code == 6
    assert [each["id"] for each in json.loads(ran.out)["findings"]] == ["archive.manifest_missing"]
    assert "mended from copy" in family.does("archive", "repair", "--all")
    family.does("archive", "verify", "child-1")


def test_what_is_refused(family: Shell) -> None:
    """Nothing named, an address that cannot be, a model whose weights are not here."""
    for command in ("repair", "protect"):
        family.refuses("archive", command, code=2, fault="input.invalid", says="which models")
        family.refuses(
            "archive", command, "child-1", "--all", code=2, fault="input.invalid", says="which models"
        )
        family.refuses("archive", command, "small-1", code=4, fault="conflict", says="not in the archive")
    family.refuses("archive", "replicate", code=2, fault="input.invalid", says="where to copy")
    family.refuses("archive", "replicate", "--to", "ftp://x", code=2, fault="input.invalid", says="ftp")
    family.refuses(
        "archive", "repair", "--all", "--from", "s3://x?keys=NONE", code=2, fault="input.invalid", says="NONE"
    )


def test_stopped_and_begun_again(family: Shell) -> None:
    """`--restart` forgets how far an earlier scrub had come."""
    state = family.home / "archive/scrubbing/state.json"
    state.parent.mkdir()
    state.write_text('{"began": "2020-01-01T00:00:00Z", "stage": "objects", "folder": 256}')
    told = json.loads(family.does("archive", "scrub", "--restart", "--json"))
    assert told["objects"] > 0
    assert not told["began"].startswith("2020")
    assert not state.exists()
