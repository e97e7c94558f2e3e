"""What a steward hands over is looked at, and refused with a way out, before anything is written."""

import json
import os
import socket
from pathlib import Path

import pytest

from emeritus.archive import ContainerInvalid, SourceChanged, SourceRefused, UnsafeName, inspect
from emeritus.archive.names import file_name, no_twins


def test_a_gguf_file_tells_what_it_is(gguf_file):
    """Its metadata becomes a summary for the page of the model."""
    source = inspect(gguf_file)
    told = source.summary
    assert [file.name for file in source.files] == ["tiny.gguf"]
    assert (told.container, told.architecture, told.name, told.licence) == (
        "gguf",
        "llama",
        "Tiny",
        "apache-2.0",
    )
    assert (told.quantisation, told.context_length, told.tensors, told.has_chat_template) == (
        "Q4_1",
        2048,
        3,
        True,
    )
    assert told.parameters == 64 * 32 + 7 + 64 * 200
    assert source.size == gguf_file.stat().st_size


def test_a_gguf_file_is_known_by_its_first_bytes(gguf_file):
    """A GGUF file under another name (as some download caches keep it) is one all the same."""
    other = gguf_file.rename(gguf_file.with_name("sha256-abc"))
    assert inspect(other).files[0].layout.container == "gguf"


def test_a_folder_of_shards(model_folder):
    """Every visible file belongs to the model; hidden ones are named as skipped."""
    (model_folder / ".git").mkdir()
    (model_folder / ".git" / "HEAD").write_text("x")
    (model_folder / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")
    (model_folder / "tokenizer_config.json").write_text('{"chat_template": "x"}')
    source = inspect(model_folder)
    assert [file.name for file in source.files] == [
        "README.md",
        "config.json",
        "empty.txt",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "tokenizer/merges.txt",
        "tokenizer_config.json",
    ]
    assert source.skipped == (".git",)
    told = source.summary
    assert (told.container, told.architecture, told.context_length) == (
        "safetensors",
        "LlamaForCausalLM",
        512,
    )
    assert (told.licence, told.has_chat_template, told.tensors) == ("mit", True, 3)


def test_weights_of_another_format_are_plain_bytes(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"PK\x03\x04 anything")
    (source_file,) = inspect(tmp_path).files
    assert source_file.layout.container == "bytes"


def test_hostile_side_files_do_not_matter(model_folder):
    """A config that is nonsense is kept as it is; it just tells nothing."""
    (model_folder / "config.json").write_bytes(b'{"architectures": [' + b"[" * 100_000)
    (model_folder / "tokenizer_config.json").write_bytes(b"\xff\xfe[]")
    assert inspect(model_folder).summary.architecture is None


def refused(path, match, kind=SourceRefused):
    with pytest.raises(kind, match=match) as caught:
        inspect(path)
    assert caught.value.next_step


def test_a_path_that_is_not_there(tmp_path):
    refused(tmp_path / "nothing", "cannot be read")


def test_an_empty_folder(tmp_path):
    refused(tmp_path, "no weights")


def test_a_folder_without_weights(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    refused(tmp_path, "no weights")


def test_a_file_that_is_no_weights(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    refused(tmp_path / "notes.txt", "no weights")


def test_an_empty_weights_file(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"")
    refused(tmp_path, "is empty")


def test_a_symlink_to_the_weights(gguf_file):
    link = gguf_file.with_name("link.gguf")
    link.symlink_to(gguf_file)
    refused(link, "symbolic link")


@pytest.mark.parametrize("target", ["config.json", "/etc/passwd", "nowhere", ".."])
def test_a_symlink_inside_the_folder(model_folder, target):
    """Wherever it points, a link is not a file of the model."""
    (model_folder / "extra").symlink_to(target)
    refused(model_folder, "extra is a symbolic link")


def test_a_linked_folder(model_folder, tmp_path):
    link = tmp_path / "linked"
    link.symlink_to(model_folder)
    refused(link, "symbolic link")


def test_special_files(model_folder):
    """A pipe would block whoever opens it; a socket has no bytes."""
    os.mkfifo(model_folder / "pipe")
    refused(model_folder, "neither a file nor a folder")
    (model_folder / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as held:
        held.bind(str(model_folder / "socket"))
        refused(model_folder, "neither a file nor a folder")


def test_a_pipe_named_as_weights(tmp_path):
    os.mkfifo(tmp_path / "model.gguf")
    refused(tmp_path / "model.gguf", "neither a file nor a folder")


def test_a_missing_shard(model_folder):
    (model_folder / "model.safetensors.index.json").unlink()
    (model_folder / "model-00002-of-00002.safetensors").unlink()
    refused(model_folder, "model-00002-of-00002.safetensors is missing")


def index(folder, weight_map):
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def test_an_index_that_names_a_shard_that_is_not_there(model_folder):
    index(model_folder, {"a": "other.safetensors"})
    refused(model_folder, "other.safetensors")


def test_an_index_that_names_a_tensor_that_is_not_there(model_folder):
    index(model_folder, {"b": "model-00001-of-00002.safetensors"})
    refused(model_folder, "'b'")


@pytest.mark.parametrize("shard", ["../secret.safetensors", "/etc/passwd", "a/../../b"])
def test_an_index_that_leaves_the_folder(model_folder, shard):
    index(model_folder, {"a": shard})
    refused(model_folder, "cannot be the name", UnsafeName)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"weight_map": 7}', b"\xff", b'{"weight_map":' + b"[" * 100_000]
)
def test_an_index_that_is_none(model_folder, content):
    (model_folder / "model.safetensors.index.json").write_bytes(content)
    refused(model_folder, "is not an index")


def test_a_lying_header_in_a_folder_names_its_file(model_folder):
    path = model_folder / "model-00002-of-00002.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    refused(model_folder, "model-00002-of-00002.safetensors is not", ContainerInvalid)


@pytest.mark.parametrize("name", ["a\nb.txt", "a\\b.txt", "trailing ", "what?.txt"])
def test_names_that_other_systems_cannot_hold(model_folder, name):
    (model_folder / name).write_text("x")
    refused(model_folder, "cannot be the name", UnsafeName)


def test_a_name_that_is_no_text(model_folder):
    Path(os.fsdecode(bytes(model_folder) + b"/\xff.txt")).touch()
    refused(model_folder, "cannot be the name", UnsafeName)


def test_names_that_are_one_on_other_systems(model_folder):
    (model_folder / "CONFIG.json").write_text("{}")
    refused(model_folder, "one name", UnsafeName)


@pytest.mark.parametrize(
    "name", ["", "/a", "a//b", "../a", "a/..", ".", "..", ".hidden", "a/.b", "a/", "C:x", "x" * 2000]
)
def test_unsafe_names(name):
    with pytest.raises(UnsafeName):
        file_name(name)


def test_a_file_cannot_lie_below_a_file():
    with pytest.raises(UnsafeName):
        no_twins(["a", "A/b"])


def test_a_file_that_is_swapped_after_it_was_inspected(gguf_file):
    """What is opened is what was inspected, or nothing."""
    (file,) = inspect(gguf_file).files
    other = gguf_file.with_name("other")
    other.write_bytes(gguf_file.read_bytes())
    other.rename(gguf_file)
    with pytest.raises(SourceChanged, match=r"tiny\.gguf"), file.open():
        pass
    gguf_file.unlink()
    gguf_file.symlink_to("/etc/passwd")
    with pytest.raises(SourceChanged, match=r"tiny\.gguf"), file.open():
        pass


@pytest.mark.parametrize("act", ["add", "remove", "touch", "replace"])
def test_a_folder_that_changes_is_noticed(model_folder, act):
    source = inspect(model_folder)
    source.check_unchanged()
    config = model_folder / "config.json"
    match act:
        case "add":
            (model_folder / "new.txt").write_text("x")
        case "remove":
            config.unlink()
        case "touch":
            os.utime(config, ns=(1, 1))
        case "replace":
            config.rename(model_folder / "tokenizer" / "x")
            config.write_text("{}")
    with pytest.raises(SourceChanged):
        source.check_unchanged()
