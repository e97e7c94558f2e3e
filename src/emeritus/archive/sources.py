"""What a steward hands over: one weights file, or a folder of them with what belongs to it.

`inspect` looks and refuses; it writes nothing. What it returns can be archived file by file.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from attrs import frozen

from emeritus.archive.containers import Layout, gguf, safetensors, whole
from emeritus.archive.drafts import read_exactly
from emeritus.archive.errors import BlobUnreadable, SourceChanged, SourceRefused
from emeritus.archive.names import file_name, no_twins
from emeritus.archive.shards import INDEX_SUFFIX, MAX_INDEX, check_index, check_shards
from emeritus.archive.summary import Summary, of_folder, of_gguf

MAX_FILES = 10_000
_OTHER_WEIGHTS = (".bin", ".pt", ".pth", ".ckpt", ".onnx", ".npz", ".h5", ".msgpack")


@frozen
class Stamp:
    """What the file system says of a file; a change of any of it means that the file was touched."""

    size: int
    mtime_ns: int
    inode: int
    device: int

    @classmethod
    def of(cls, facts: os.stat_result) -> "Stamp":
        return cls(facts.st_size, facts.st_mtime_ns, facts.st_ino, facts.st_dev)


@frozen
class OpenFile:
    """A source file held open for reading; the path cannot be swapped under it."""

    file: "SourceFile"
    fd: int

    def read(self, start: int, end: int) -> bytes:
        """Return these bytes; SourceChanged when the file became shorter, SourceRefused when it is unreadable."""
        try:
            return _read(self.fd, start, end, self.file.path)
        except SourceRefused:
            self.check_unchanged()
            raise

    def check_unchanged(self) -> None:
        """Raise SourceChanged when the file is not the one that was inspected."""
        if Stamp.of(os.fstat(self.fd)) != self.file.stamp:
            raise changed(self.file.name)


@frozen
class SourceFile:
    """One file to archive: its name inside the model, where it lies, and how it is laid out."""

    name: str
    path: Path
    stamp: Stamp
    layout: Layout

    @property
    def size(self) -> int:
        return self.stamp.size

    @contextmanager
    def open(self) -> Iterator[OpenFile]:
        """Open the file that was inspected. Raises SourceChanged when it is another by now."""
        try:
            fd = _open(self.path)
        except (SourceRefused, OSError):
            raise changed(self.name) from None
        try:
            held = OpenFile(self, fd)
            held.check_unchanged()
            yield held
        finally:
            os.close(fd)


@frozen
class Source:
    """What `inspect` found. *skipped* names the hidden files that are not part of a model (``.git``)."""

    path: Path
    files: tuple[SourceFile, ...]
    summary: Summary
    skipped: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    def file(self, name: str) -> SourceFile:
        """Return the file called *name*. Raises SourceRefused."""
        for file in self.files:
            if file.name == name:
                return file
        raise SourceRefused(f"There is no file {name!r} in {self.path}.", next_step="Check the name.")

    def check_unchanged(self) -> None:
        """Look at every file again. Raises SourceChanged when one was touched, added or taken away."""
        try:
            now = {name: Stamp.of(path.lstat()) for name, path in _walk(self.path)[0]}
        except (OSError, SourceRefused):
            raise changed(str(self.path)) from None
        before = {file.name: file.stamp for file in self.files}
        for name in before.keys() | now.keys():
            if before.get(name) != now.get(name):
                raise changed(name)


def inspect(path: Path | str) -> Source:
    """Look at the weights at *path*: a GGUF or safetensors file, or a folder.

    In a folder every visible regular file belongs to the model; weights may be safetensors (single or
    sharded), GGUF (single or split), or other formats, which are kept as plain bytes. Writes nothing.

    Raises:
        SourceRefused: for symlinks, special files, an empty folder, missing shards, no weights.
        ContainerInvalid: when a header is truncated or lies.
        UnsafeName: when a file name cannot be restored everywhere.
    """
    path = Path(path)
    found, skipped = _walk(path)
    no_twins(name for name, _ in found)
    looked = [_look(name, at) for name, at in found]
    files = {file.name: file for file, _ in looked}
    weights = [name for name, file in files.items() if file.layout.container != "bytes" or is_weights(name)]
    if not weights:
        raise SourceRefused(
            f"There are no weights in {path}.",
            next_step="Give a .gguf file, or the folder that holds the .safetensors files.",
        )
    if path.is_dir():
        check_shards(weights)
    layouts = {name: file.layout for name, file in files.items()}
    for file in files.values():
        if file.name.endswith(INDEX_SUFFIX):
            if file.size > MAX_INDEX:
                _refuse(f"{file.name} is too long for an index.", "Get it again from where it was published.")
            check_index(file.name, _text(file), layouts)
    return Source(path, tuple(files.values()), _summary(looked, weights), skipped)


def changed(name: str) -> SourceChanged:
    """Return the error for a file that is not what it was when the archive looked first."""
    return SourceChanged(
        f"{name} changed while it was archived.",
        next_step="Let whatever writes to it finish, then run the same command again.",
    )


def _refuse(wrong: str, next_step: str) -> NoReturn:
    raise SourceRefused(wrong, next_step=next_step)


def _walk(path: Path) -> tuple[list[tuple[str, Path]], tuple[str, ...]]:
    """Return the files at or below *path* by name, and the hidden ones that were left out."""
    try:
        mode = path.lstat().st_mode
    except OSError as why:
        _refuse(f"{path} cannot be read: {why.strerror}.", "Check the path.")
    if stat.S_ISREG(mode):
        return [(file_name(path.name), path)], ()
    if not stat.S_ISDIR(mode):
        _refuse_special(path, mode)
    found: list[tuple[str, Path]] = []
    skipped: list[str] = []
    folders = [(path, "")]
    while folders:
        folder, prefix = folders.pop()
        for name, mode in _entries(folder):
            if name.startswith("."):
                skipped.append(prefix + name)
            elif stat.S_ISDIR(mode):
                folders.append((folder / name, f"{prefix}{name}/"))
            elif stat.S_ISREG(mode):
                found.append((file_name(prefix + name), folder / name))
            else:
                _refuse_special(folder / name, mode)
        if len(found) + len(folders) > MAX_FILES:
            _refuse(f"{path} holds more than {MAX_FILES} files.", "Give the folder of one model.")
    return sorted(found), tuple(sorted(skipped))


def _entries(folder: Path) -> list[tuple[str, int]]:
    try:
        with os.scandir(folder) as entries:
            return [(entry.name, entry.stat(follow_symlinks=False).st_mode) for entry in entries]
    except OSError as why:
        _refuse(f"{folder} cannot be read: {why.strerror}.", "Check its permissions.")


def _refuse_special(path: Path, mode: int) -> NoReturn:
    if stat.S_ISLNK(mode):
        _refuse(
            f"{path} is a symbolic link.",
            "Copy the files themselves first: `cp -rL FOLDER COPY` turns links into files.",
        )
    _refuse(f"{path} is neither a file nor a folder.", "Take it out of the folder.")


def _open(path: Path) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        _refuse(f"{path} is not a regular file.", "Take it out of the folder.")
    return fd


def _read(fd: int, start: int, end: int, path: Path) -> bytes:
    try:
        return read_exactly(fd, start, end, str(path))
    except BlobUnreadable as why:
        raise SourceRefused(why.sentence, next_step="Check the disk, or get the file again.") from why


def _look(name: str, path: Path) -> tuple[SourceFile, gguf.Metadata | None]:
    try:
        fd = _open(path)
    except OSError as why:
        _refuse(f"{path} cannot be read: {why.strerror}.", "Check its permissions.")
    try:
        stamp = Stamp.of(os.fstat(fd))

        def read(start: int, end: int) -> bytes:
            return _read(fd, start, end, path)

        suffix = path.suffix.lower()
        if is_weights(name) and stamp.size == 0:
            _refuse(f"{path} is empty.", "Get the file again from where it was published.")
        metadata = None
        if suffix == ".gguf" or (stamp.size >= 4 and read(0, 4) == b"GGUF"):
            layout, metadata = gguf.parse(read, stamp.size, name)
        elif suffix == ".safetensors":
            layout = safetensors.parse(read, stamp.size, name)
        else:
            layout = whole(stamp.size)
    finally:
        os.close(fd)
    return SourceFile(name, path, stamp, layout), metadata


def is_weights(name: str) -> bool:
    """Tell by its name whether a file holds weights."""
    return name.lower().endswith((".gguf", ".safetensors", *_OTHER_WEIGHTS))


def _text(file: SourceFile) -> bytes:
    with file.open() as held:
        return held.read(0, file.size)


def _summary(looked: list[tuple[SourceFile, gguf.Metadata | None]], weights: list[str]) -> Summary:
    tensors = [span for file, _ in looked for span in file.layout.tensors]
    described = [(file.size, metadata) for file, metadata in looked if metadata is not None]
    if described:
        return of_gguf(max(described, key=lambda found: found[0])[1], tensors)
    told = ("config.json", "tokenizer_config.json", "README.md", "chat_template.jinja")
    texts = {file.name: _text(file) for file, _ in looked if file.name in told and file.size <= 1 << 24}
    kinds = {file.layout.container for file, _ in looked if file.name in weights}
    return of_folder("safetensors" if "safetensors" in kinds else "bytes", tensors, texts)
