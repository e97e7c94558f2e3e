"""The official client, unmodified, against the Hub on a real port."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import HfApi, HfFileSystem, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)


@pytest.fixture
def api(server) -> HfApi:
    return server.api()


def same(got: Path, published: Path) -> bool:
    """Tell whether two folders hold the same files, hidden ones apart."""

    def files(folder: Path) -> dict[str, bytes]:
        found = (path for path in folder.rglob("*") if path.is_file())
        inside = {path.relative_to(folder).as_posix(): path for path in found}
        return {name: path.read_bytes() for name, path in inside.items() if not name.startswith(".")}

    return files(got) == files(published)


def test_snapshot(api, house, folder, tmp_path):
    """A whole model comes as it was archived, under the commit that its manifest's digest begins with."""
    got = Path(api.snapshot_download("opus", cache_dir=tmp_path / "cache"))
    assert same(got, folder)
    assert got.name == house.manifest.digest.removeprefix("sha256:")[:40]
    again = api.snapshot_download("opus", cache_dir=tmp_path / "cache")
    assert Path(again) == got


def test_blobs_are_named_by_their_sha256(api, house, tmp_path):
    """The client keeps what it got under the entity tag: that is the SHA-256 of the bytes."""
    api.snapshot_download("opus", cache_dir=tmp_path)
    kept = list((tmp_path / "models--opus" / "blobs").iterdir())
    assert len(kept) == len(house.manifest.files)
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in kept)


def test_a_folder_of_ones_own(api, folder, tmp_path):
    """A download into a folder works too, and only what was asked for comes."""
    api.snapshot_download("opus", local_dir=tmp_path / "mine")
    assert same(tmp_path / "mine", folder)
    api.snapshot_download("opus", local_dir=tmp_path / "some", allow_patterns="tokenizer/*")
    assert sorted(path.name for path in (tmp_path / "some" / "tokenizer").iterdir()) == [
        "größe 1.txt",
        "merges.txt",
    ]


@pytest.mark.parametrize("repo", ["opus", "test-lab/opus"])
@pytest.mark.parametrize("revision", ["main", "commit", "digest", "hex"])
def test_every_name_of_a_model(api, house, repo, revision, tmp_path):
    """With and without the organisation's name; by branch, commit, digest."""
    digest = house.manifest.digest
    names = {"commit": digest[7:47], "digest": digest, "hex": digest[7:]}
    path = api.hf_hub_download(
        repo, "config.json", revision=names.get(revision, revision), cache_dir=tmp_path
    )
    assert Path(path).read_text() == '{"architectures": ["LlamaForCausalLM"]}'
    assert Path(path).parent.name == digest[7:47]


def test_facts(api, house, folder):
    """What a model is made of: files, sizes, digests, one commit, one branch."""
    found = api.model_info("opus", files_metadata=True)
    assert (found.id, found.author, found.private, found.gated) == ("opus", "test-lab", False, False)
    assert found.sha == house.manifest.digest[7:47]
    assert {file.rfilename: file.size for file in found.siblings} == {
        file.name: file.size for file in house.manifest.files
    }
    assert all(len(file.blob_id) == 40 for file in found.siblings)
    assert api.list_repo_files("opus") == sorted(file.name for file in house.manifest.files)
    assert api.list_repo_refs("opus").branches[0].target_commit == found.sha
    assert [each.commit_id for each in api.list_repo_commits("opus")] == [found.sha]
    assert api.repo_exists("opus")
    assert not api.repo_exists("sonnet")
    assert api.revision_exists("opus", found.sha)
    assert not api.revision_exists("opus", "0" * 40)
    assert api.file_exists("opus", "tokenizer/merges.txt")
    assert not api.file_exists("opus", "merges.txt")
    told = api.model_info("opus", expand=["sha", "siblings"])
    assert told.sha == found.sha
    assert told.tags is None


def test_blob_ids_are_those_of_git(api, folder):
    """A file's blob id is what Git calls the LFS pointer to it."""
    (file,) = api.get_paths_info("opus", ["config.json"])
    data = (folder / "config.json").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(data)}\n"
    made = subprocess.run(
        ["git", "hash-object", "--stdin"], input=pointer.encode(), capture_output=True, check=True
    )
    assert made.stdout.decode().strip() == file.blob_id
    assert (file.lfs.sha256, file.lfs.size, file.lfs.pointer_size) == (digest, len(data), len(pointer))


def test_trees(api):
    """Folders are listed one by one and all together; a folder that is not there is said so."""
    top = {entry.path for entry in api.list_repo_tree("opus")}
    assert "tokenizer" in top
    assert "tokenizer/merges.txt" not in top
    inside = [entry.path for entry in api.list_repo_tree("opus", "tokenizer", expand=True)]
    assert inside == ["tokenizer/größe 1.txt", "tokenizer/merges.txt"]
    everything = [entry.path for entry in api.list_repo_tree("opus", recursive=True)]
    assert {*top, *inside} == set(everything)
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree("opus", "chat_templates"))


def test_paths(api):
    """Of paths, those that are there are told about, folders included."""
    told = api.get_paths_info("opus", ["tokenizer", "config.json", "nope", "../config.json"], expand=True)
    assert [entry.path for entry in told] == ["tokenizer", "config.json"]
    assert told[1].last_commit.oid == api.model_info("opus").sha
    assert [entry.path for entry in api.get_paths_info("opus", "empty.txt")] == ["empty.txt"]


def test_long_lists_come_in_pages(server_of, house, tmp_path):
    """A tree and a list of models longer than a page are followed to their end."""
    many = tmp_path / "many"
    many.mkdir()
    (many / "model.bin").write_bytes(b"weights")
    for number in range(120):
        (many / f"part {number:03}.txt").write_text(str(number))
    house.preserve("many", many)
    with server_of(house.parts()) as server:
        api = server.api()
        names = [entry.path for entry in api.list_repo_tree("many", expand=True)]
        assert names == sorted(path.name for path in many.iterdir())
        assert [model.id for model in api.list_models(limit=1)] == ["many"]
        first = server.http("/api/models?limit=1")
        assert [each["id"] for each in first.json] == ["many"]
        assert f'<{server.url}/api/models?limit=1&cursor=many>; rel="next"' in first.headers["link"]


def test_search(api, house):
    """Models are found by words of their names, by author and tag; one without weights here is not listed."""
    house.add_remote("elsewhere")
    house.add("not-yet")
    assert [model.id for model in api.list_models()] == ["opus"]
    assert [model.id for model in api.list_models(search="OPUS lab")] == ["opus"]
    assert [model.id for model in api.list_models(author="test-lab", filter="license:apache-2.0")] == ["opus"]
    assert list(api.list_models(search="sonnet")) == []
    assert list(api.list_models(author="somebody")) == []
    assert list(api.list_models(filter="gguf")) == []


def test_what_is_not_there(api, house, tmp_path):
    """Each thing that is not there is the client's own error for it, with a sentence of ours."""
    house.add_remote("elsewhere")
    house.add("not-yet")

    def get(repo="opus", file="config.json", **more):
        return api.hf_hub_download(repo, file, cache_dir=tmp_path, **more)

    with pytest.raises(RepositoryNotFoundError, match="no model 'sonnet'"):
        get("sonnet")
    with pytest.raises(RepositoryNotFoundError, match="other-lab/opus"):
        get("other-lab/opus")
    with pytest.raises(RepositoryNotFoundError, match="held elsewhere"):
        api.model_info("elsewhere")
    with pytest.raises(RepositoryNotFoundError, match="not in the archive yet"):
        api.snapshot_download("not-yet", cache_dir=tmp_path)
    with pytest.raises(RevisionNotFoundError, match="only one is main"):
        get(revision="v2")
    with pytest.raises(RevisionNotFoundError):
        api.snapshot_download("opus", revision="v2", cache_dir=tmp_path)
    with pytest.raises(EntryNotFoundError, match=r"no 'pytorch_model.bin'"):
        get(file="pytorch_model.bin")
    commit = house.manifest.digest[7:47]
    assert (tmp_path / "models--opus" / ".no_exist" / commit / "pytorch_model.bin").exists()
    with pytest.raises(RepositoryNotFoundError):
        api.dataset_info("opus")


def test_a_broken_download_goes_on(api, server, house, folder, tmp_path):
    """What is there already is not sent again: the client asks for the rest, and the whole is right."""
    name = "model-00001-of-00002.safetensors"
    data = (folder / name).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    partial = tmp_path / "mine" / ".cache" / "huggingface" / "download"
    url = hf_hub_url("opus", name, endpoint=server.url)
    assert get_hf_file_metadata(url, token=False).etag == digest
    api.hf_hub_download("opus", name, cache_dir=tmp_path)
    before = house.usage.totals(model="opus").bytes_out
    blobs = tmp_path / "models--opus" / "blobs"
    (blobs / digest).unlink()
    (blobs / f"{digest}.incomplete").write_bytes(data[:1_000_000])
    got = api.hf_hub_download("opus", name, cache_dir=tmp_path)
    assert Path(got).read_bytes() == data
    assert not partial.exists()
    sent = wait(lambda: house.usage.totals(model="opus").bytes_out - before)
    assert sent in (len(data), len(data) - 1_000_000)  # whether it resumes is the client's to decide


def wait(look, seconds: float = 5.0):
    """Return what *look* sees, once it sees something."""
    import time

    end = time.monotonic() + seconds
    while not (seen := look()) and time.monotonic() < end:
        time.sleep(0.01)
    return seen


def test_a_file_system(server, folder):
    """The client's file system reads any part of a file without fetching it; it takes the name with its namespace."""
    fs = HfFileSystem(endpoint=server.url, token=False, skip_instance_cache=True)
    name = "model-00001-of-00002.safetensors"
    with fs.open(f"test-lab/opus/{name}", "rb", block_size=1 << 16) as file:
        file.seek(1_500_000)
        assert file.read(70_000) == (folder / name).read_bytes()[1_500_000:1_570_000]
    assert "test-lab/opus/tokenizer/merges.txt" in fs.find("test-lab/opus")


def test_the_header_of_a_safetensors_file(api):
    """What tensors there are is read from the header alone."""
    found = api.parse_safetensors_file_metadata("opus", "model-00001-of-00002.safetensors", token=False)
    assert {name: tensor.dtype for name, tensor in found.tensors.items()} == {"a": "F32", "n": "F32"}


def test_checked_by_the_client(api, tmp_path):
    """`hf cache verify` compares what was got with the digests that the Hub tells."""
    api.snapshot_download("opus", cache_dir=tmp_path)
    checked = api.verify_repo_checksums("opus", cache_dir=tmp_path)
    assert (checked.checked_count, checked.mismatches, checked.missing_paths) == (8, [], [])


# ---- with a key ----


def test_gated(server, house, folder, tmp_path):
    """What a model is made of is public; its files are for those who may have them, and it says where to apply."""
    house.downloads("opus", "on-request")
    stranger, holder = server.api(), server.api(house.grant("opus"))
    assert stranger.model_info("opus").gated == "manual"
    for get in (
        lambda: stranger.snapshot_download("opus", cache_dir=tmp_path / "no"),
        lambda: stranger.hf_hub_download("opus", "config.json", cache_dir=tmp_path / "no"),
        lambda: stranger.auth_check("opus"),
    ):
        with pytest.raises(
            GatedRepoError, match=r"lab\.example/access/apply\?model=opus&weights=yes"
        ) as refused:
            get()
        assert refused.value.response.status_code == 401
    holder.auth_check("opus")
    assert same(Path(holder.snapshot_download("opus", cache_dir=tmp_path)), folder)


def test_who_am_i(server, house):
    """`hf auth login` asks whose key it is; a key that is none is refused."""
    key = house.member()
    told = server.api(key).whoami()
    assert (told["name"], told["auth"]["accessToken"]["role"]) == (house.member_id, "read")
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        server.api("emer_" + "x" * 38).whoami()
    assert server.http("/api/whoami-v2").status == 401
    assert server.http("/api/whoami-v2", key=house.lapsed()).status == 401


# ---- the command line ----


@pytest.fixture
def hf(server, tmp_path):
    """Run `hf` against the Hub in a home of its own."""

    def run(*args: str, **more: str) -> subprocess.CompletedProcess[str]:
        keep = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
        env = {
            **keep,
            "HOME": str(tmp_path / "home"),
            "HF_HOME": str(tmp_path / "home" / "hf"),
            "HF_ENDPOINT": server.url,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "NO_COLOR": "1",
            **more,
        }
        (tmp_path / "home").mkdir(exist_ok=True)
        program = Path(sys.executable).with_name("hf")
        return subprocess.run(
            [program, *args], env=env, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def test_the_one_command(hf, house, folder, tmp_path):
    """`HF_ENDPOINT=… hf download MODEL` is all that it takes."""
    done = hf("download", "opus", "--local-dir", str(tmp_path / "got"))
    assert done.returncode == 0, done.stderr
    assert same(tmp_path / "got", folder)


def test_the_command_says_where_to_apply(hf, house, tmp_path):
    """Refused, it tells what the Hub says; with a key it works, given or logged in with."""
    house.downloads("opus", "members")
    refused = hf("download", "opus", "config.json")
    assert refused.returncode != 0
    assert "https://lab.example/access/apply?model=opus&weights=yes" in refused.stderr
    key = house.member()
    assert hf("download", "opus", "config.json", HF_TOKEN=key).returncode == 0
    login = hf("auth", "login", "--token", key)
    assert login.returncode == 0, login.stderr
    assert house.member_id in hf("auth", "whoami").stdout
    assert hf("download", "opus").returncode == 0
    checked = hf("cache", "verify", "opus")
    assert checked.returncode == 0, checked.stderr
