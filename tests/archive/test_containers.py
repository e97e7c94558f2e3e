"""Headers are hostile until parsed: every lie is an error that names the file, and costs little."""

import contextlib
import json
import struct
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emeritus.archive import ContainerInvalid
from emeritus.archive.containers import gguf, safetensors
from emeritus.archive.fakes import FakeTensor, gguf_bytes, safetensors_bytes


def parse_safetensors(data):
    return safetensors.parse(lambda start, end: data[start:end], len(data), "file.safetensors")


def parse_gguf(data):
    return gguf.parse(lambda start, end: data[start:end], len(data), "file.gguf")


def header(value, body=b""):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return struct.pack("<Q", len(text)) + text + body


def entry(dtype="U8", shape=(4,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def text(value):
    return struct.pack("<Q", len(value)) + value


def gguf_head(tensors=0, pairs=0, version=3):
    return b"GGUF" + struct.pack("<IQQ", version, tensors, pairs)


def gguf_tensor(name=b"t", shape=(4,), kind=24, offset=0):
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def gguf_file(*tensors, body=bytes(64), pairs=b"", count=0):
    head = gguf_head(len(tensors), count) + pairs + b"".join(tensors)
    return head + bytes(-len(head) % 32) + body


LIES_SAFETENSORS = {
    "no header": b"",
    "cut off length": b"\x01\x00",
    "cut off header": struct.pack("<Q", 100) + b"{}",
    "header over the bound": struct.pack("<Q", 2**40) + b"{}",
    "largest length": b"\xff" * 8 + b"{}",
    "not JSON": header(b"{nonsense}"),
    "not an object": header(b"[1]"),
    "not UTF-8": header(b'{"\xff": 1}'),
    "nested too deep": header(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "an entry that is none": header({"a": 7}),
    "an entry without dtype": header({"a": {"shape": [1], "data_offsets": [0, 1]}}, b"x"),
    "three offsets": header({"a": {**entry(), "data_offsets": [0, 1, 2]}}, b"xxxx"),
    "negative offsets": header({"a": entry(offsets=(-4, 0))}, b"xxxx"),
    "offsets backwards": header({"a": entry(offsets=(4, 0))}, b"xxxx"),
    "beyond the file": header({"a": entry()}, b"xxx"),
    "far beyond the file": header({"a": entry(shape=(2**40,), offsets=(0, 2**40))}, b"xxx"),
    "length that is not that of its shape": header({"a": entry(shape=(5,))}, b"xxxx"),
    "overflowing shape": header({"a": entry(shape=(2**33, 2**33), offsets=(0, 4))}, b"xxxx"),
    "shape beyond 64 bits": header({"a": entry(shape=(2**70, 0), offsets=(0, 0))}),
    "negative shape": header({"a": entry(shape=(-2, -2))}, b"xxxx"),
    "too many dimensions": header({"a": entry(shape=(1,) * 17, offsets=(0, 1))}, b"x"),
    "the same bytes twice": header({"a": entry(), "b": entry()}, b"xxxx"),
    "overlap": header({"a": entry(), "b": entry(offsets=(2, 6))}, b"xxxxxx"),
    "a name twice": header(
        b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}',
        b"xx",
    ),
    "no name": header({"": entry()}, b"xxxx"),
    "a name with a line break": header({"a\nb": entry()}, b"xxxx"),
    "a name that is no text": header(b'{"\\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x"),
    "metadata that is none": header({"__metadata__": {"a": 1}}),
    "an enormous number": header(b'{"a":{"dtype":"U8","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,1]}}'),
    "not a number": header(b'{"a":{"dtype":"U8","shape":[NaN],"data_offsets":[0,1]}}'),
    "half a byte": header({"a": entry(dtype="F4", shape=(3,), offsets=(0, 1))}, b"x"),
}

LIES_GGUF = {
    "empty": b"",
    "another file": b"GIF89a" + bytes(100),
    "only the magic": b"GGUF",
    "version 1": gguf_head(version=1),
    "big-endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
    "version 99": gguf_head(version=99),
    "countless tensors": gguf_head(tensors=2**63) + bytes(100),
    "countless pairs": gguf_head(pairs=2**63) + bytes(100),
    "pairs beyond the file": gguf_head(pairs=100),
    "a key beyond the file": gguf_head(pairs=1) + struct.pack("<Q", 60_000) + b"abc",
    "an endless key": gguf_head(pairs=1) + struct.pack("<Q", 2**62) + b"abc",
    "a text beyond the file": gguf_head(pairs=1) + text(b"k") + struct.pack("<IQ", 8, 2**50),
    "an array beyond the file": gguf_head(pairs=1) + text(b"k") + struct.pack("<IIQ", 9, 0, 2**60),
    "an array of texts beyond the file": gguf_head(pairs=1) + text(b"k") + struct.pack("<IIQ", 9, 8, 2**40),
    "an array of arrays beyond the file": gguf_head(pairs=1) + text(b"k") + struct.pack("<IIQ", 9, 9, 2**40),
    "arrays nested for ever": gguf_head(pairs=1)
    + text(b"k")
    + struct.pack("<I", 9)
    + struct.pack("<IQ", 9, 1) * 9000,
    "an unknown kind": gguf_head(pairs=1) + text(b"k") + struct.pack("<II", 77, 0),
    "an array of an unknown kind": gguf_head(pairs=1) + text(b"k") + struct.pack("<IIQ", 9, 77, 1),
    "a key twice": gguf_file(pairs=(text(b"k") + struct.pack("<IB", 0, 1)) * 2, count=2),
    "a key that is no text": gguf_head(pairs=1) + text(b"\xff\xfe") + struct.pack("<IB", 0, 1),
    "alignment 0": gguf_file(pairs=text(b"general.alignment") + struct.pack("<II", 4, 0), count=1),
    "alignment 7": gguf_file(pairs=text(b"general.alignment") + struct.pack("<II", 4, 7), count=1),
    "alignment of text": gguf_file(
        pairs=text(b"general.alignment") + struct.pack("<I", 8) + text(b"32"), count=1
    ),
    "an enormous alignment": gguf_file(
        pairs=text(b"general.alignment") + struct.pack("<II", 4, 2**31), count=1
    ),
    "a tensor beyond the file": gguf_file(gguf_tensor(shape=(65,))),
    "a tensor far beyond the file": gguf_file(gguf_tensor(offset=2**62 // 32 * 32)),
    "an unknown tensor beyond the file": gguf_file(gguf_tensor(kind=999, offset=96)),
    "overflowing dimensions": gguf_file(gguf_tensor(shape=(2**32, 2**32, 2**32))),
    "dimensions beyond the bound": gguf_file(gguf_tensor(shape=(2**63, 0))),
    "nine dimensions": gguf_file(gguf_tensor(shape=(1,) * 9)),
    "endless dimensions": gguf_head(1) + text(b"t") + struct.pack("<I", 2**32 - 1) + bytes(100),
    "off its alignment": gguf_file(gguf_tensor(offset=8)),
    "rows that are no blocks": gguf_file(gguf_tensor(shape=(33, 1), kind=8)),
    "a name twice": gguf_file(gguf_tensor(b"a"), gguf_tensor(b"a", offset=32)),
    "the same bytes twice": gguf_file(gguf_tensor(b"a"), gguf_tensor(b"b")),
    "overlap": gguf_file(gguf_tensor(b"a", shape=(40,)), gguf_tensor(b"b", offset=32)),
    "no name": gguf_file(gguf_tensor(b"")),
    "cut off before its tensors": gguf_file(gguf_tensor(), body=b"")[:-1],
}


@pytest.mark.parametrize("lie", LIES_SAFETENSORS)
def test_a_lying_safetensors_header_is_refused(lie):
    """The error names the file and what to do."""
    with pytest.raises(
        ContainerInvalid, match=r"file\.safetensors is not a sound safetensors file"
    ) as caught:
        parse_safetensors(LIES_SAFETENSORS[lie])
    assert caught.value.next_step


@pytest.mark.parametrize("lie", LIES_GGUF)
def test_a_lying_gguf_header_is_refused(lie):
    """The error names the file and what to do."""
    with pytest.raises(ContainerInvalid, match=r"file\.gguf is not a sound GGUF file") as caught:
        parse_gguf(LIES_GGUF[lie])
    assert caught.value.next_step


def sound_gguf():
    tensors = [
        FakeTensor("a", 0, (3, 2), bytes(24)),
        FakeTensor("q", 8, (32, 2), bytes(68)),
        FakeTensor("empty", 1, (0, 5), b""),
    ]
    return gguf_bytes(tensors, {"general.architecture": "llama", "list": ["x", "yy"], "n": [1, 2]})


def sound_safetensors():
    return safetensors_bytes(
        [FakeTensor("a", "F32", (3, 2), bytes(24)), FakeTensor("e", "BF16", (0,), b"")], {"format": "pt"}
    )


@pytest.mark.parametrize(
    ("parse", "make"), [(parse_safetensors, sound_safetensors), (parse_gguf, sound_gguf)]
)
def test_truncated_header(parse, make):
    """However short a file is cut, it is refused, or (inside the padding at its end) every tensor is there."""
    data = make()
    whole = parse(data)
    for length in range(len(data)):
        try:
            cut = parse(data[:length])
        except ContainerInvalid:
            continue
        layout, expected = (cut[0], whole[0]) if isinstance(cut, tuple) else (cut, whole)
        assert layout.tensors == expected.tensors


def test_spans_cover_a_file_with_gaps_and_a_tail():
    """Bytes that no tensor claims are kept as gaps and tail, so that none is lost."""
    data = header({"b": entry(offsets=(10, 14)), "a": entry(offsets=(2, 6))}, bytes(20))
    layout = parse_safetensors(data)
    assert [(span.kind, span.name, span.length) for span in layout.spans[1:]] == [
        ("gap", "", 2), ("tensor", "a", 4), ("gap", "", 4), ("tensor", "b", 4), ("tail", "", 6),
    ]  # fmt: skip
    assert layout.size == len(data)


def test_an_unknown_dtype_is_bytes():
    """What this Emeritus does not know yet is preserved, never refused."""
    layout = parse_safetensors(header({"a": entry(dtype="F7_NEW", shape=(9,), offsets=(0, 8))}, bytes(8)))
    assert [(span.dtype, span.length, span.fields) for span in layout.tensors] == [("F7_NEW", 8, (1,))]


def test_an_unknown_ggml_type_reaches_to_the_next_tensor():
    data = gguf_file(
        gguf_tensor(b"new", kind=201, shape=(77,)), gguf_tensor(b"old", offset=32), body=bytes(36)
    )
    layout, _ = parse_gguf(data)
    assert [(span.name, span.dtype, span.length) for span in layout.tensors] == [
        ("new", "ggml-201", 32),
        ("old", "I8", 4),
    ]


def test_a_header_of_many_texts_is_walked_without_keeping_them():
    """A vocabulary of a hundred thousand words costs little memory."""
    data = gguf_bytes([FakeTensor("t", 24, (4,), b"abcd")], {"words": ["x" * 40] * 100_000})
    tracemalloc.start()
    try:
        layout, metadata = parse_gguf(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert metadata.array_lengths == {"words": 100_000}
    assert layout.tensors[0].name == "t"
    assert peak < 8_000_000


HOSTILE_BIG = {
    "lists": b'{"a":{"dtype":"U8","shape":[' + b"[]," * 4_000_000 + b"[]]}}",
    "entries": b"{" + b",".join(b'"%x":0' % n for n in range(2_100_000)) + b"}",
    "braces": b'{"a":' + b"{" * 5_000_000,
}


@pytest.mark.parametrize("kind", HOSTILE_BIG)
def test_a_large_hostile_header_costs_bounded_memory(kind):
    """Millions of little values are refused before they become objects."""
    data = header(HOSTILE_BIG[kind])
    tracemalloc.start()
    try:
        with pytest.raises(ContainerInvalid):
            parse_safetensors(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * len(data) + 8_000_000


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_fuzzed_headers_are_read_or_refused(data):
    """Whatever bytes are changed in a sound header, nothing but a refusal comes out."""
    make, parse = data.draw(
        st.sampled_from([(sound_gguf, parse_gguf), (sound_safetensors, parse_safetensors)])
    )
    content = bytearray(make())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
        if not content:
            break
    try:
        found = parse(bytes(content))
    except ContainerInvalid:
        return
    layout = found[0] if isinstance(found, tuple) else found
    assert layout.size == len(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
NUMBERS = st.integers(-4, 80) | st.integers(0, 2**65)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F32", "BF16", "U8", "F4", "BOOL", "X9"]) | JSON,
        "shape": st.lists(NUMBERS, max_size=4) | JSON,
        "data_offsets": st.lists(NUMBERS, min_size=2, max_size=2) | JSON,
    },
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.text(max_size=6), ENTRIES | JSON, max_size=5), st.binary(max_size=80))
def test_headers_of_any_json_are_read_or_refused(entries, body):
    """Whatever a header claims, in the right form or not, every byte is covered once or it is refused."""
    text = json.dumps(entries).encode()
    content = struct.pack("<Q", len(text)) + text + body
    try:
        layout = parse_safetensors(content)
    except ContainerInvalid:
        return
    assert layout.size == len(content)
    assert all(span.length >= 0 for span in layout.tensors)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_read_or_refused(content):
    for parse, start in ((parse_gguf, b""), (parse_gguf, gguf_head(2, 2)), (parse_safetensors, b"")):
        with contextlib.suppress(ContainerInvalid):
            parse(start + content)
    with contextlib.suppress(ContainerInvalid):
        parse_safetensors(header(b"{" + content))
