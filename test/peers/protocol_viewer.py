"""A tiny viewer written from docs/protocol.md alone, so that a second implementation verifies the page.

Prints the messages that it receives, one JSON object per line. Options (JSON, first argument): url (ws://HOST:PORT/streams/NAME/ws), hello (a map),
returns (a list of {"id", "mode", "kind", …} for `return`; "payload": base64), want (a map), ping (an id), frames (the number after which it ends).
"""
import asyncio
import base64
import hashlib
import json
import struct
import sys

import msgpack
import websockets

SUBPROTOCOL = "gearway.v1"
HELLO, ACK, RETURN, WANT, PING = 0x01, 0x02, 0x03, 0x04, 0x05
RECEIVED = {0x11: "welcome", 0x12: "frame", 0x13: "state", 0x14: "returned", 0x15: "pong"}
BIG_INTEGER = 0x42


def encode(kind, header, payload=b""):
    """`header` is a map, or an encoded map."""
    packed = header if isinstance(header, bytes) else msgpack.packb(header, default=pack_other)
    padding = -len(packed) % 8
    return struct.pack(">BBHI", kind, 0, 0, len(packed)) + packed + b"\0" * padding + payload


def decode(message):
    """@return: the kind's name, None when it may be ignored; the header; the payload."""
    kind, _flags, _reserved, length = struct.unpack_from(">BBHI", message)
    end = 8 + length
    header = msgpack.unpackb(message[8:end], ext_hook=unpack_extension, strict_map_key=True)
    payload = message[end + -length % 8:]
    if kind in RECEIVED:
        return RECEIVED[kind], header, payload
    if kind & 0x80:
        return None, header, payload
    raise ValueError(f"unknown message type {kind:#04x}")


def pack_other(value):
    if isinstance(value, int):
        return msgpack.ExtType(BIG_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
    raise TypeError(f"{type(value).__name__} cannot be sent")


def unpack_extension(code, data):
    return int.from_bytes(data, "big", signed=True) if code == BIG_INTEGER else msgpack.ExtType(code, data)


def emit(**event):
    print(json.dumps(event), flush=True)


async def view(options):
    frames = 0
    async with websockets.connect(options["url"], subprotocols=[SUBPROTOCOL], compression=None, max_size=None) as socket:
        await socket.send(encode(HELLO, options.get("hello", {})))
        async for message in socket:
            kind, header, payload = decode(message)
            if kind == "frame":
                frames += 1
                await socket.send(encode(ACK, {"sequence": header["sequence"], "painted": frames, "skipped": 0, "failed": 0, "decodeMs": 0.0}))
                emit(event=kind, **header, bytes=len(payload), sha1=hashlib.sha1(payload).hexdigest())
                if frames == options.get("frames"):
                    break
                continue
            if kind is not None:
                emit(event=kind, **header)
            if kind == "welcome":
                for body in options.get("returns", []):
                    data = base64.b64decode(body.get("payload", ""))
                    await socket.send(encode(RETURN, {key: value for key, value in body.items() if key != "payload"}, data))
                if "want" in options:
                    await socket.send(encode(WANT, options["want"]))
                if "ping" in options:
                    await socket.send(encode(PING, {"id": options["ping"]}))
    emit(event="closed", code=socket.close_code, reason=socket.close_reason)


if __name__ == "__main__":
    asyncio.run(view(json.loads(sys.argv[1])))
