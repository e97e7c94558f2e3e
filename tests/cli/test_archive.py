"""`emeritus archive`: a family of models is preserved, weighed, compared, re-encoded, cleaned up."""

import json
from pathlib import Path

import pytest
from tests.archive.families import base_weights, tuned, write_model
from tests.cli.conftest import Shell, adding


@pytest.fixture
def family(house: Shell, tmp_path: Path) -> Shell:
    """A house with a base and a model made from it on the register, neither preserved yet."""
    weights = base_weights()
    base, child = write_model(tmp_path / "b", weights), write_model(tmp_path / "c", tuned(weights, 1))
    house.does(*adding(base, "base-1", name="Base"))
    house.does(*adding(child, "child-1", name="Child", base="base-1"))
    return house


def add_both(house: Shell) -> None:
    for model in ("base-1", "child-1"):
        house.does("archive", "add", "--model", model)


def test_the_next_of_a_family_is_nearly_free(family: Shell, tmp_path: Path) -> None:
    """Both are preserved and proven at once; the second as a difference, which every command tells."""
    assert "preserved and proven" in family.does(
        "archive", "add", str(tmp_path / "b" / "model.safetensors"), "--model", "base-1"
    )
    added = json.loads(family.does("archive", "add", "--model", "child-1", "--json"))
    assert added["differences"] == 3
    assert added["ratio"] > 3
    one, two = json.loads(family.does("archive", "ls", "--json"))
    assert (one["id"], one["needed_by"], one["needs"]) == ("base-1", ["child-1"], [])
    assert (two["id"], two["needs"]) == ("child-1", ["base-1"])
    assert two["marginal_bytes"] < one["bytes"] / 3
    assert two["proven_at"]
    told = family.does("archive", "ls")
    assert "builds on base-1" in told
    assert json.loads(family.does("archive", "verify", "child-1", "--json"))["is_sound"]
    (restored,) = json.loads(family.does("archive", "restore", "child-1", "--to", "out", "--json"))
    assert Path(restored["path"]).read_bytes() == (tmp_path / "c" / "model.safetensors").read_bytes()


def test_what_is_preserved_already_stays(family: Shell) -> None:
    """The record says once what was preserved; a second time, other weights, or nobody's are refused."""
    add_both(family)
    family.refuses(
        "archive", "add", "--model", "base-1", code=4, fault="conflict", says="in the archive already"
    )


def test_weights_that_the_register_does_not_know(family: Shell, tmp_path: Path) -> None:
    """Other weights than those of the register, an unknown model, a base that is not there, nothing at all."""
    other = str(write_model(tmp_path / "other", base_weights(2, layers=1)))
    family.refuses(
        "archive",
        "add",
        other,
        "--model",
        "base-1",
        code=4,
        fault="conflict",
        says="does not hold the weights",
    )
    family.refuses("archive", "add", other, "--model", "nobody", code=3, fault="not_found", says="nobody")
    family.refuses("archive", "add", other, code=3, fault="not_found", says="'model'")
    family.refuses(
        "archive",
        "add",
        "--model",
        "child-1",
        "--base",
        "base-1",
        code=4,
        fault="conflict",
        says="not in the archive",
    )
    family.refuses("archive", "add", code=2, fault="input.invalid", says="nothing to archive")
    family.refuses(
        "archive", "add", "--model", "base-1", code=2, fault="input.invalid", says="nobody is named", as_=None
    )
    family.refuses(
        "archive", "add", "--model", "base-1", code=5, fault="not_permitted", says="Ray", as_="Ray"
    )


def test_two_models_side_by_side(family: Shell) -> None:
    add_both(family)
    told = json.loads(family.does("archive", "diff", "base-1", "child-1", "--json"))
    assert [each["verdict"] for each in told["tensors"]] == ["changed"] * 3
    assert all(0 < each["share"] < 0.5 and each["ulps"] == 1 for each in told["tensors"])
    assert "3 of 3 tensors differ" in family.does("archive", "diff", "base-1", "child-1")
    same = family.does("archive", "diff", "base-1", "base-1")
    assert same == "0 of 3 tensors differ; 0 are in one of the two only.\n"
    assert "identical" in family.does("archive", "diff", "base-1", "base-1", "--all")


def test_what_each_costs(family: Shell) -> None:
    """The shares of all make up the store; a price makes them money."""
    add_both(family)
    told = json.loads(family.does("archive", "cost", "--json", "--price", "1000"))
    assert sum(model["share_bytes"] for model in told["models"]) == pytest.approx(told["stored_bytes"])
    assert told["price"] == pytest.approx(told["stored_bytes"] / 1e6)
    assert told["models"][1]["marginal_bytes"] < told["models"][1]["alone_bytes"] / 2
    assert "safetensors  BF16" in family.does("archive", "cost", "--price", "1")


def test_rebasing(family: Shell) -> None:
    """Down to no base at all; what is preserved stays sound, and may be cleaned up after."""
    add_both(family)
    done = json.loads(family.does("archive", "rebase", "--all", "--depth", "0", "--json"))
    assert (done["base-1"]["rewritten"], done["child-1"]["rewritten"]) == (0, 3)
    assert "0 of 4 objects written anew" in family.does("archive", "rebase", "child-1")
    assert "is sound" in family.does("archive", "verify", "child-1")
    family.refuses("archive", "rebase", code=2, fault="input.invalid", says="One model, or all?")


def test_pruning(family: Shell) -> None:
    """Shown, planned, and done only after the grace."""
    add_both(family)
    assert "Every object in the store is needed" in family.does("archive", "prune")
    stray = family.home / "archive" / "objects" / "ab" / ("ab" + "0" * 62)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"nobody's")
    assert "Nothing was changed" in family.does("archive", "prune")
    assert "They may go from" in family.does("archive", "prune", "--yes")
    assert stray.exists()
    assert json.loads(family.does("archive", "prune", "--json"))["due"]
    assert "Removed 1 objects" in family.does("archive", "prune", "--yes", "--grace", "0")
    assert not stray.exists()
    assert "is sound" in family.does("archive", "verify", "child-1")


def test_an_empty_archive(house: Shell) -> None:
    assert "No model is preserved yet" in house.does("archive", "ls")
    assert json.loads(house.does("archive", "cost", "--json"))["models"] == []
    assert "0 models" in house.does("archive", "cost")
