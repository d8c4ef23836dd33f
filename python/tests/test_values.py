"""Literal JSON as the gateway writes it, and anything that a client could send instead."""
import base64
import time
from typing import Any

import numpy as np
import pytest
import simplejpeg

from gearway import decode, encode


def tagged(**fields: Any) -> dict[str, Any]:
    return {"$ndarray": fields}


def test_decodes_an_array() -> None:
    array = decode(tagged(dtype="uint16", shape=[2, 2], data="AQACAAMABAA="))
    assert array.dtype == np.uint16
    assert array.tolist() == [[1, 2], [3, 4]]
    assert not array.flags.writeable


def test_decodes_big_endian_samples() -> None:
    array = decode(tagged(dtype=">u2", shape=[2], data="AAEAAg=="))
    assert array.tolist() == [1, 2]


@pytest.mark.parametrize("name", ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64", ">u2", ">f8"])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (3, 4), (2, 3, 4), (2, 0, 3)])
def test_decodes_the_values_that_it_has_encoded(name: str, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(1).integers(0, 2, shape).astype(name)
    again = decode(encode(array))
    assert again.dtype == array.dtype
    assert again.shape == shape
    assert again.tobytes() == array.tobytes()


def test_encodes_arrays_that_are_not_contiguous() -> None:
    array = np.arange(12, dtype=np.int32).reshape(3, 4)[:, ::2]
    assert decode(encode(array)).tolist() == array.tolist()


def test_converts_arrays_inside_lists_and_dicts() -> None:
    value = encode({"mask": np.ones((2, 2), bool), "boxes": (np.float32(0.5), 1), "name": "cup"})
    assert value["boxes"] == [0.5, 1]
    assert [type(each) for each in value["boxes"]] == [float, int]
    decoded = decode(value)
    assert decoded["mask"].tolist() == [[True, True], [True, True]]
    assert decoded["name"] == "cup"


@pytest.mark.parametrize("value", [None, True, 2, 2.0, "text", [1, [2]], {"$ndarray": 1}, {"$ndarray": {}, "more": 1}])
def test_leaves_other_values_unchanged(value: Any) -> None:
    assert decode(value) == value
    assert encode(value) == value


def test_decodes_a_picture_as_netgear_does() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (33, 47, 3), np.uint8)
    jpeg = simplejpeg.encode_jpeg(picture, quality=90, colorspace="BGR", colorsubsampling="422", fastdct=True)
    decoded = decode(tagged(jpeg=base64.b64encode(jpeg).decode()))
    assert np.array_equal(decoded, simplejpeg.decode_jpeg(jpeg, colorspace="BGR", fastdct=True))


def test_decodes_a_gray_picture_without_a_channel_axis() -> None:
    jpeg = simplejpeg.encode_jpeg(np.full((16, 24, 1), 77, np.uint8), colorspace="GRAY")
    decoded = decode(tagged(jpeg=base64.b64encode(jpeg).decode()))
    assert decoded.shape == (16, 24)
    assert abs(int(decoded[8, 8]) - 77) <= 1


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"dtype": "uint8", "shape": [1]},
        {"dtype": "uint8", "shape": [1], "data": "AA==", "more": 1},
        {"dtype": "uint8", "shape": [2], "data": "AA=="},
        {"dtype": "uint8", "shape": [1], "data": "AAA="},
        {"dtype": "uint8", "shape": [-1], "data": "AA=="},
        {"dtype": "uint8", "shape": [True], "data": "AA=="},
        {"dtype": "uint8", "shape": [1.0], "data": "AA=="},
        {"dtype": "uint8", "shape": "1", "data": "AA=="},
        {"dtype": "uint8", "shape": [2**70, 0, 2**70], "data": "AA=="},
        {"dtype": "O", "shape": [1], "data": "AAAAAAAAAAA="},
        {"dtype": "U1", "shape": [1], "data": "AAAAAA=="},
        {"dtype": "M8[s]", "shape": [1], "data": "AAAAAAAAAAA="},
        {"dtype": "u1,u1", "shape": [1], "data": "AAA="},
        {"dtype": "(2,)u1", "shape": [1], "data": "AAA="},
        {"dtype": "nothing", "shape": [1], "data": "AA=="},
        {"dtype": "{'a': 1}", "shape": [1], "data": "AA=="},
        {"dtype": None, "shape": [1], "data": "AAAAAAAAAAA="},
        {"dtype": "uint8", "shape": [1], "data": "A"},
        {"dtype": "uint8", "shape": [1], "data": "AA==\n"},
        {"dtype": "uint8", "shape": [1], "data": "é"},
        {"dtype": "uint8", "shape": [1], "data": None},
        {"jpeg": "AAAA"},
        {"jpeg": ""},
        {"jpeg": 1},
    ],
)
def test_refuses_malformed_arrays(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        decode({"deep": [{"$ndarray": fields}] if fields else [{"$ndarray": {"other": 1}}]})


@pytest.mark.parametrize(("shape", "data"), [([0, 2**40, 2**40], ""), ([1] * 33, "AA=="), ([10**4000] * 100_000, "AA==")])
def test_refuses_shapes_beyond_numpy(shape: list[int], data: str) -> None:
    with pytest.raises(ValueError):
        decode(tagged(dtype="uint8", shape=shape, data=data))


def test_accepts_as_many_axes_as_every_numpy_version_supports() -> None:
    assert decode(tagged(dtype="uint8", shape=[1] * 32, data="AA==")).shape == (1,) * 32


def test_reads_the_size_of_a_jpeg_before_it_decodes_it() -> None:
    jpeg = bytearray(simplejpeg.encode_jpeg(np.zeros((8, 8, 3), np.uint8)))
    start = jpeg.index(b"\xff\xc0") + 5
    jpeg[start:start + 4] = b"\xff\xdc\xff\xdc"
    with pytest.raises(ValueError, match="65500 x 65500 pixels"):
        decode(tagged(jpeg=base64.b64encode(jpeg).decode()))


def test_refuses_every_truncated_jpeg() -> None:
    jpeg = simplejpeg.encode_jpeg(np.random.default_rng(3).integers(0, 256, (16, 16, 3), np.uint8), quality=50)
    for length in range(len(jpeg) - 2):
        with pytest.raises(ValueError):
            decode(tagged(jpeg=base64.b64encode(jpeg[:length]).decode()))


@pytest.mark.parametrize("name", [",".join(["u1"] * 1_000_000), "(" + "2," * 100_000 + ")u1", "i" * 1_000_000, "u1,u1", "3u1", "a5", "S4", "float128,", "\u0663i4"])
def test_immediately_refuses_types_that_are_not_a_single_number(name: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match="dtype") as refused:
        decode(tagged(dtype=name, shape=[1], data="AA=="))
    assert time.process_time() - began < 1  # NumPy takes 8 s for the first one.
    assert len(str(refused.value)) < 500


def test_shortens_quoted_values() -> None:
    with pytest.raises(ValueError, match="fields") as refused:
        decode(tagged(**{"x" * 1_000_000: 1}))
    assert len(str(refused.value)) < 500


def progressive(size: int, scans: int) -> str:
    """A gray JPEG in which each scan has one bit per block."""

    def segment(marker: int, *values: int) -> bytes:
        return bytes([0xFF, marker, *(len(values) + 2).to_bytes(2, "big"), *values])

    def table(number: int) -> bytes:
        """A single code, 0, which stands for no difference and for the end of the block."""
        return segment(0xC4, number, 1, *[0] * 15, 0)

    data = bytes((size // 8) ** 2 // 8)
    sides = [*size.to_bytes(2, "big")] * 2
    head = b"\xff\xd8" + segment(0xDB, 0, *[1] * 64) + segment(0xC2, 8, *sides, 1, 1, 0x11, 0) + table(0x00) + table(0x10)
    first = segment(0xDA, 1, 1, 0, 0, 0, 0) + data
    others = segment(0xDA, 1, 1, 0, 1, 63, 0) + data
    return base64.b64encode(head + first + others * (scans - 1) + b"\xff\xd9").decode()


def test_refuses_a_jpeg_with_too_many_scans() -> None:
    assert decode(tagged(jpeg=progressive(4096, 16))).shape == (4096, 4096)
    assert decode(tagged(jpeg=progressive(64, 1000))).shape == (64, 64)
    for size, scans in [(4096, 17), (1024, 257)]:
        with pytest.raises(ValueError, match="scans"):
            decode(tagged(jpeg=progressive(size, scans)))


@pytest.mark.parametrize("levels", [64, 65, 5000])
def test_limits_nesting(levels: int) -> None:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    if levels <= 64:
        assert decode(value) == value
        return
    with pytest.raises(ValueError, match="levels"):
        decode(value)


@pytest.mark.parametrize("array", [np.array([object()]), np.array(["text"]), np.array([1j]), np.array(["2026-01-01"], "M8[D]")])
def test_refuses_to_encode_arrays_without_a_number_type(array: Any) -> None:
    with pytest.raises(ValueError, match="dtype"):
        encode(array)
