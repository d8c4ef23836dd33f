"""A viewer that returns values that would crash a Python server's program. Prints each answer as a JSON line.

Options (JSON, first argument): url.
"""
import asyncio
import json
import pathlib
import sys

import msgpack
import numpy as np
import simplejpeg
import websockets

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from protocol_viewer import ACK, HELLO, RETURN, SUBPROTOCOL, decode, encode, emit  # noqa: E402

options = json.loads(sys.argv[1])
jpeg = simplejpeg.encode_jpeg(np.random.default_rng(1).integers(0, 256, (480, 640, 3), dtype=np.uint8), 90, "BGR", "422")


def value_header(number, packed_value):
    """Hand-written MessagePack, because libraries refuse to write such values."""
    fields = [msgpack.packb(part) for pair in (("id", number), ("mode", "sticky"), ("kind", "value")) for part in pair]
    return b"\x84" + b"".join(fields) + msgpack.packb("value") + packed_value


def forged_size(size):
    forged = bytearray(jpeg)
    at = forged.index(b"\xff\xc0")
    forged[at + 5:at + 9] = size.to_bytes(2, "big") * 2
    return bytes(forged)


def nested(depth):
    return b"\x91" * (depth - 1) + b"\x90"


def array(number, dtype, shape):
    return {"id": number, "mode": "sticky", "kind": "array", "dtype": dtype, "shape": shape}


def picture(number):
    return {"id": number, "mode": "once", "kind": "jpeg"}


HOSTILE = [
    ("truncated JPEG", picture(1), jpeg[: len(jpeg) // 2]),
    ("JPEG with an end but half a scan", picture(2), jpeg[: len(jpeg) // 2] + b"\xff\xd9"),
    ("no JPEG", picture(3), b"hello"),
    ("20000x20000 JPEG", picture(4), forged_size(20000)),
    ("misfit array", array(5, "float32", [4, 5]), b"\0" * 79),
    ("array of objects", array(6, "object", [1]), b"\0" * 8),
    ("array of terabytes", array(7, "uint8", [2**20, 2**20]), b"\0"),
    ("5000-digit integer", value_header(8, msgpack.packb(msgpack.ExtType(0x42, (10**4999).to_bytes(2077, "big")))), b""),
    ("list 65 deep", value_header(9, nested(65)), b""),
    # The connection may end with this value.
    ("list 100 000 deep", value_header(10, nested(100_000)), b""),
]


async def main():
    async with websockets.connect(options["url"], subprotocols=[SUBPROTOCOL], compression=None, max_size=None) as socket:
        await socket.send(encode(HELLO, {}))
        waiting = iter(HOSTILE)
        what = None
        try:
            async for message in socket:
                kind, header, _ = decode(message)
                if kind == "frame":
                    await socket.send(encode(ACK, {"sequence": header["sequence"], "painted": 0, "skipped": 0, "failed": 0, "decodeMs": 0.0}))
                    continue
                if kind == "returned":
                    emit(event="returned", what=what, accepted=header["accepted"], code=header.get("code"))
                if kind in ("welcome", "returned"):
                    what, body, payload = next(waiting, (None, None, None))
                    if what is None:
                        break
                    await socket.send(encode(RETURN, body, payload))
        except websockets.ConnectionClosedError:
            pass
    emit(event="closed", after=what, code=socket.close_code)


asyncio.run(main())
