"""A tiny publisher written from docs/protocol.md alone, the counterpart of protocol_viewer.py.

Prints the messages that it receives, one JSON object per line; of the `taken` messages, only refusals and the last one. Options (JSON, first argument): url
(ws://HOST:PORT/streams/NAME/publish), hello (a map), picture (a JPEG's file) or raw (fields of `frame`, and its `payload`: base64), capturedAtUs,
frames (number of frames; by default until the socket is closed), fps, stay (waits for return data after the last frame).
"""
import asyncio
import base64
import json
import sys
import time

import msgpack
import websockets
from protocol_viewer import SUBPROTOCOL, encode, unpack_extension

HELLO, FRAME = 0x01, 0x12
RECEIVED = {0x11: "welcome", 0x15: "pong", 0x16: "taken", 0x17: "data"}
MAX_NOT_TAKEN = 2


def decode(message):
    """@return: the kind's name, None when it may be ignored; the header; the payload."""
    kind, length = message[0], int.from_bytes(message[4:8], "big")
    header = msgpack.unpackb(message[8:8 + length], ext_hook=unpack_extension, strict_map_key=True)
    if kind not in RECEIVED and not kind & 0x80:
        raise ValueError(f"unknown message type {kind:#04x}")
    return RECEIVED.get(kind), header, message[8 + length + -length % 8:]


def emit(**event):
    print(json.dumps(event), flush=True)


class Publisher:
    def __init__(self, socket, options):
        self.socket = socket
        self.options = options
        self.taken = 0
        self.is_over = False
        self.acknowledged = asyncio.Event()

    async def receive(self):
        try:
            async for message in self.socket:
                kind, header, payload = decode(message)
                if kind == "taken":
                    self.taken = header["sequence"]
                    self.acknowledged.set()
                    if "code" not in header and self.taken != self.options.get("frames"):
                        continue
                if kind is not None:
                    emit(event=kind, **header, **({"payload": base64.b64encode(payload).decode()} if payload else {}))
        finally:
            # Reached even when the gateway has closed the connection with an error, which the loop raises.
            self.is_over = True
            self.acknowledged.set()

    async def until_taken(self, sequence):
        while self.taken < sequence and not self.is_over:
            self.acknowledged.clear()
            await self.acknowledged.wait()

    async def send(self):
        if "picture" in self.options:
            with open(self.options["picture"], "rb") as file:
                fields, payload = {"encoding": "jpeg"}, file.read()
        else:
            fields = {key: value for key, value in self.options["raw"].items() if key != "payload"}
            payload = base64.b64decode(self.options["raw"]["payload"])
        if "capturedAtUs" in self.options:
            fields["capturedAtUs"] = self.options["capturedAtUs"]
        number = 0
        due = time.monotonic()
        while number != self.options.get("frames") and not self.is_over:
            number += 1
            await self.until_taken(number - MAX_NOT_TAKEN)
            await self.socket.send(encode(FRAME, {"sequence": number, "message": {"n": number, "t": time.time()}, **fields}, payload))
            due += 1 / self.options.get("fps", 30)
            await asyncio.sleep(max(0, due - time.monotonic()))
        await self.until_taken(number)


async def publish(options):
    async with websockets.connect(options["url"], subprotocols=[SUBPROTOCOL], compression=None, max_size=None) as socket:
        publisher = Publisher(socket, options)
        receiving = asyncio.create_task(publisher.receive())
        try:
            await socket.send(encode(HELLO, options.get("hello", {})))
            await publisher.send()
            if options.get("stay"):
                await receiving
        except websockets.ConnectionClosed:
            pass  # the code and the reason explain why
    await asyncio.gather(receiving, return_exceptions=True)
    emit(event="closed", code=socket.close_code, reason=socket.close_reason)


if __name__ == "__main__":
    asyncio.run(publish(json.loads(sys.argv[1])))
