"""The house keeps its own rules: where imports may point, what may be in it, and under which licences."""

import ast
import importlib
import itertools
import pkgutil
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import emeritus
from emeritus.core.errors import EmeritusError

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src/emeritus"
MODULES = sorted(SOURCE.rglob("*.py"))


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """Every file that git keeps, relative to the root."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in names.split("\0") if name and (ROOT / name).is_file()]


RUN = ("base", "llama", "fast", "timestamps", "interviews", "oidc", "pdf")
"""What is asked for to run; the rest is for development."""


def test_imports_point_down():
    """The layers, the siblings and the technology fences of pyproject.toml hold."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_modules_stay_readable():
    """No module is longer than 400 lines."""
    lengths = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in MODULES}
    assert {path: length for path, length in lengths.items() if length > 400} == {}


def test_everything_has_a_name_of_its_own(tracked):
    """No file or folder is a drawer for odds and ends."""
    drawers = {"util", "utils", "helper", "helpers", "misc", "common"}
    assert [path for path in tracked if drawers & {Path(part).stem.lower() for part in path.parts}] == []


def test_every_package_says_what_it_is():
    """Each package has a docstring."""
    packages = [path for path in MODULES if path.name == "__init__.py"]
    assert [path for path in packages if not ast.get_docstring(ast.parse(path.read_text()))] == []


def errors() -> list[type[EmeritusError]]:
    for module in pkgutil.walk_packages(emeritus.__path__, "emeritus."):
        if not module.name.endswith(".__main__") and ".migrations" not in module.name:
            importlib.import_module(module.name)
    found, waiting = [EmeritusError], [EmeritusError]
    while waiting:
        below = [
            error for error in waiting.pop().__subclasses__() if error.__module__.startswith("emeritus.")
        ]
        found += below
        waiting += below
    return sorted(set(found), key=lambda error: (error.__module__, error.__qualname__))


def test_every_error_can_be_looked_up():
    """Each error has an id of its own, used by no other, and a docstring."""
    found = errors()
    nameless = [error for error in found if "id" not in vars(error) or not vars(error).get("__doc__")]
    assert nameless == []
    by_id = itertools.groupby(sorted(found, key=lambda error: error.id), key=lambda error: error.id)
    shared = {name: group for name, errors in by_id if len(group := list(errors)) > 1}
    assert shared == {}


# Written in two parts, so that this file does not hold what it looks for.
FOREIGN = [
    re.compile(rb"(?<![\w.~-])/" + folder + rb"/")
    for folder in (
        rb"wo" + rb"rk",
        rb"ro" + rb"ot",
        rb"ho" + rb"me/\w+",
        rb"Us" + rb"ers/\w+",
        rb"tmp/l" + rb"ab",
    )
] + [
    re.compile(re.escape(first + second))
    for first, second in (
        (b"pypi", b".org"),
        (b"pythonhosted", b".org"),
        (b"registry.npm", b"js.org"),
        (b"npm", b"js.com"),
        (b"deb.deb", b"ian.org"),
        (b"snapshot.deb", b"ian.org"),
        (b"crates", b".io"),
        (b"proxy.gol", b"ang.org"),
    )
]


def test_nothing_is_tied_to_one_machine(tracked):
    """No tracked file holds a path of a developer's machine or the host of a package registry."""
    found = [
        f"{path}: {match.group().decode()}"
        for path in tracked
        for pattern in FOREIGN
        for match in pattern.finditer((ROOT / path).read_bytes())
    ]
    assert found == []


WEIGHTS = {".bin", ".ckpt", ".gguf", ".ggml", ".h5", ".npy", ".npz", ".onnx", ".pt", ".pth", ".safetensors"}
PICTURES = {".gif", ".jpg", ".jpeg", ".png", ".svg", ".webp", ".woff2"}


def test_no_weights_are_kept_in_the_repository(tracked):
    """Weights are fetched, never committed; besides pictures, nothing tracked is larger than 1 MiB."""
    large = [path for path in tracked if (ROOT / path).stat().st_size > 1 << 20]
    assert [
        path for path in large if path.suffix.lower() in WEIGHTS or path.suffix.lower() not in PICTURES
    ] == []


# What Emeritus is installed with may be used by everyone for everything: permissive licences only.
PERMISSIVE = {
    "0bsd", "apache", "apache-2.0", "apache 2.0", "apache license 2.0", "apache license, version 2.0",
    "apache software license", "bsd", "bsd-2-clause", "bsd-3-clause", "bsd license", "cnri-python", "isc",
    "isc license (iscl)", "mit", "mit license", "mit-0", "mit-cmu", "psf-2.0", "python-2.0",
    "python software foundation license", "unlicense", "the unlicense (unlicense)", "zlib", "bsl-1.0", "cc0-1.0",
    "llvm-exception",  # to Apache-2.0: asks for less
}  # fmt: skip
EXCEPTIONS = {
    "psycopg": "LGPL-3.0: required by dbos; used as published, through its public interface, replaceable by its user",
    "psycopg-binary": "LGPL-3.0: the compiled part of psycopg, the same holds",
    "agent-client-protocol": "Apache-2.0, by its LICENSE; its metadata says nothing; Inspect AI requires it",
    "certifi": "MPL-2.0, file by file: used unchanged",
    "pyphen": "MPL-1.1, of the three that it may be had under: used unchanged; WeasyPrint requires it",
    "dkimpy": "zlib's terms, by its LICENSE; its metadata says no more than 'DFSG approved'",
}


def closure(extras: set[str]) -> list[metadata.Distribution]:
    """Emeritus' requirements and theirs, as they are installed here."""
    seen: dict[tuple[str, str], metadata.Distribution] = {}
    waiting = [("emeritus", extra) for extra in ("", *extras)]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        found = seen[name, extra] = metadata.distribution(name)
        for line in found.requires or []:
            requirement = Requirement(line)
            if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
                continue
            below = canonicalize_name(requirement.name)
            waiting += [(below, wanted) for wanted in ("", *requirement.extras)]
    return [found for (name, extra), found in sorted(seen.items()) if not extra and name != "emeritus"]


def licences(distribution: metadata.Distribution) -> set[str]:
    """What its metadata says: the SPDX expression, else the classifiers, else the free text."""
    said = distribution.metadata.get("License-Expression")
    if not said:
        classifiers = distribution.metadata.get_all("Classifier") or []
        named = {line.split(" :: ")[-1].lower() for line in classifiers if line.startswith("License :: ")}
        if named := named - {"osi approved"}:
            return named
        said = (distribution.metadata.get("License") or "unknown").splitlines()[0]  # some put all of it there
    return {part.strip("() ").lower() for part in re.split(r"(?i)\b(?:AND|OR|WITH)\b", said)}


def test_licences_of_what_is_installed_with_it():
    """Everything that a user installs is permissive, but for exceptions that are named and reasoned here."""
    found = {canonicalize_name(each.name): licences(each) for each in closure(set(RUN) - {"base"})}
    assert "dbos" in found
    refused = {name: terms - PERMISSIVE for name, terms in found.items() if terms - PERMISSIVE}
    assert {name: terms for name, terms in refused.items() if name not in EXCEPTIONS} == {}
    assert set(EXCEPTIONS) <= set(refused), "an exception that is no longer needed"


def asked_for() -> dict[str, list[Requirement]]:
    """What pyproject.toml asks for, by extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = {"base": project["dependencies"], **project["optional-dependencies"]}
    return {extra: [Requirement(line) for line in lines] for extra, lines in lists.items()}


def test_what_is_imported_is_declared():
    """No module imports a package that pyproject.toml does not ask for, even if another happens to bring it."""
    asked = asked_for()
    declared = {canonicalize_name(each.name) for extra in RUN for each in asked[extra]}
    given_by = metadata.packages_distributions()
    strangers = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            else:
                continue
            tops = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"emeritus"}
            for top in tops:
                if not declared & {canonicalize_name(name) for name in given_by.get(top, ())}:
                    strangers.add(f"{path.relative_to(ROOT)}: {top}")
    assert strangers == set()


def test_the_locks_are_up_to_date():
    """Each lock meets what pyproject.toml asks for, and what runs is what was tested; else `make lock`."""

    def pinned(name: str) -> dict[str, str]:
        lines = (ROOT / "requirements" / name).read_text().splitlines()
        return dict(line.split(" ")[0].split("==") for line in lines if re.match(r"\w\S*==", line))

    run, dev, asked = pinned("run.txt"), pinned("dev.txt"), asked_for()
    for lock, extras in ((run, ("base", "llama", "fast")), (dev, tuple(asked))):
        wanted = [requirement for extra in extras for requirement in asked[extra]]
        assert [str(each) for each in wanted if not meets(each, lock)] == []
    assert run.items() <= dev.items()


def meets(requirement: Requirement, lock: dict[str, str]) -> bool:
    version = lock.get(canonicalize_name(requirement.name))
    return version is not None and requirement.specifier.contains(version)
