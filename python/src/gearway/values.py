"""Arrays and pictures as JSON: `{"$ndarray": {"dtype", "shape", "data"}}` and `{"$ndarray": {"jpeg"}}`, with bytes in base64."""
from __future__ import annotations

import base64
import binascii
import math
import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

TAG: Final = "$ndarray"

MAX_JPEG_PIXELS: Final = 16_777_216
"""Maximum number of pixels of a returned JPEG, as in the gateway: in a plain value, a viewer could send a larger one to exhaust the server's memory."""

MAX_SCANNED_PIXELS: Final = 2**28
"""Maximum number of pixels of a JPEG with several scans, counted once per scan: a decoder visits the whole picture for each scan, even for one of a few bytes.
16 scans fit at the maximum size, and a progressive JPEG usually has ten. Decoding takes less than a second."""

MAX_NESTING: Final = 64
"""Maximum nesting of a value, equal to the gateway's limit."""

_DTYPE: Final = re.compile(r"bool|u?int\d{1,2}|float\d{1,3}|[<>=|]?[biuf]\d{1,2}")
"""The accepted types, checked because NumPy also parses lists of types, for many seconds if they are long."""

_START_OF_SCAN: Final = b"\xff\xda"

_KINDS: Final = "biuf"

_MAX_AXES: Final = 32
"""Maximum number of axes, that of NumPy before 2.0. It is checked before the sizes are multiplied."""


def encode(value: Any) -> Any:
    """Prepares a value for a message or for return data, which are JSON: replaces each array in it with `{"$ndarray": …}`, NumPy's numbers with Python's, and tuples with lists. Anything else is left as it is.

    Raises `ValueError` for arrays that have no number type, such as those of objects.
    """
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in _KINDS:
            raise ValueError(f"array has dtype {value.dtype}, expected bool, an integer type or a float type")
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode("ascii")
        return {TAG: {"dtype": value.dtype.str if value.dtype.byteorder == ">" else str(value.dtype), "shape": list(value.shape), "data": data}}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: encode(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(each) for each in value]
    return value


def decode(value: Any) -> Any:
    """Replaces each `{"$ndarray": …}` in a value, at any depth, with its array. Arrays are read-only; `copy()` them to change them.

    A JPEG is decoded to the same array as by NetGear: BGR, or without a channel axis if it is gray. This requires `simplejpeg`, which NetGear also requires.

    Raises `ValueError` for a malformed array or JPEG, a JPEG with more than 16,777,216 pixels or too many scans, and more than 64 levels of nesting.
    """
    return _decode(value, MAX_NESTING)


def is_tagged(value: Any) -> bool:
    """Whether this is the JSON of an array or a picture."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get(TAG), dict)


def _decode(value: Any, levels: int) -> Any:
    if not isinstance(value, (dict, list)):
        return value
    if levels == 0:
        raise ValueError(f"value has more than {MAX_NESTING} levels, expected at most {MAX_NESTING}")
    if isinstance(value, list):
        return [_decode(each, levels - 1) for each in value]
    if not is_tagged(value):
        return {key: _decode(each, levels - 1) for key, each in value.items()}
    fields = value[TAG]
    if fields.keys() == {"jpeg"}:
        return _decode_jpeg(_decode_base64(fields["jpeg"]))
    if fields.keys() == {"dtype", "shape", "data"}:
        return _decode_array(fields["dtype"], fields["shape"], _decode_base64(fields["data"]))
    raise ValueError(f"{TAG} has the fields {_short(sorted(map(str, fields)))}, expected dtype, shape and data, or jpeg")


def _decode_base64(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ValueError(f"data is {type(text).__name__}, expected base64 in a str")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"data is not base64: {error}") from error


def _decode_array(name: Any, shape: Any, data: bytes) -> NDArray[Any]:
    try:
        dtype = np.dtype(name) if isinstance(name, str) and _DTYPE.fullmatch(name) else None
    except TypeError:
        dtype = None
    if dtype is None or dtype.kind not in _KINDS:
        raise ValueError(f"dtype is {_short(name)}, expected bool, an integer type or a float type such as 'uint8' or '>f4'")
    if not isinstance(shape, list) or len(shape) > _MAX_AXES or not all(type(size) is int and 0 <= size < 2**63 for size in shape):
        raise ValueError(f"shape is not a list of at most {_MAX_AXES} sizes")
    announced = math.prod(shape) * dtype.itemsize
    if announced != len(data):
        raise ValueError(f"data has {len(data)} bytes, shape {shape} and dtype {dtype} announce {announced}")
    return np.frombuffer(data, dtype).reshape(shape)


def _decode_jpeg(data: bytes) -> NDArray[Any]:
    try:
        import simplejpeg
    except ImportError as error:
        raise ImportError("decoding a JPEG requires simplejpeg: pip install simplejpeg") from error
    # Only the header is read.
    height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
    if height * width > MAX_JPEG_PIXELS:
        raise ValueError(f"JPEG has {width} x {height} pixels, expected at most {MAX_JPEG_PIXELS}")
    # In the data of a scan, a zero follows each 0xff. A thumbnail before it may count, too.
    scans = data.count(_START_OF_SCAN)
    if scans > 1 and scans * height * width > MAX_SCANNED_PIXELS:
        raise ValueError(f"JPEG has {width} x {height} pixels in {scans} scans, which would take too long to decode")
    is_gray = colorspace == "Gray"
    picture: NDArray[Any] = simplejpeg.decode_jpeg(data, colorspace="GRAY" if is_gray else "BGR", fastdct=True)
    picture.setflags(write=False)
    return picture[:, :, 0] if is_gray else picture


def _short(value: Any) -> str:
    """For messages: a client may send megabytes."""
    text = ascii(value if not isinstance(value, str) else value[:100])
    return text if len(text) <= 100 else f"{text[:100]}…"
