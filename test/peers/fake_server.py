"""A NetGear server that sends every kind of frame that crashes a real client. Prints each reply as a JSON line.

Options (JSON, first argument): port, pattern (0 or 1), parts (number of parts of the message with far too many).
"""
import json
import sys

import numpy as np
import simplejpeg
import zmq

options = json.loads(sys.argv[1])
pattern = options.get("pattern", 1)
socket = zmq.Context().socket(zmq.REQ if pattern == 1 else zmq.PAIR)
if pattern == 1:
    socket.setsockopt(zmq.REQ_RELAXED, 1)
    socket.setsockopt(zmq.REQ_CORRELATE, 1)
socket.setsockopt(zmq.RCVTIMEO, 30000)
socket.setsockopt(zmq.LINGER, 0)
socket.connect(f"tcp://127.0.0.1:{options['port']}")

image = np.full((480, 640, 3), 90, np.uint8)
jpeg = simplejpeg.encode_jpeg(image, 90, "BGR", "422")
HEADER = {
    "terminate_flag": False, "compression": {"dct": True, "ups": False, "colorspace": "BGR"}, "message": None,
    "pattern": str(pattern), "dtype": "", "shape": "",
}


def header(**changes):
    return json.dumps({**HEADER, **changes}).encode()


def send(what, parts):
    socket.send_multipart(parts)
    print(json.dumps({"event": "reply", "to": what, "text": socket.recv_multipart()[0].decode()}), flush=True)


def claim(size):
    forged = bytearray(jpeg)
    at = forged.index(b"\xff\xc0")
    forged[at + 5:at + 9] = size.to_bytes(2, "big") * 2
    return bytes(forged)


send("good", [header(message={"n": 1}), jpeg])
send("truncated JPEG", [header(), jpeg[: len(jpeg) // 2]])
send("no JPEG", [header(), b"hello"])
send("short raw", [header(compression=False, dtype="uint8", shape=[480, 640, 3]), image.tobytes()[:-1]])
for key in HEADER:
    send(f"no {key}", [json.dumps({k: v for k, v in HEADER.items() if k != key}).encode(), jpeg])
send("20000x20000 JPEG", [header(), claim(20000)])
send("20000x20000 raw", [header(compression=False, dtype="uint8", shape=[20000, 20000, 3]), b"x"])
send("deep message", [header(message=0).replace(b'"message": 0', b'"message": ' + b"[" * 100000 + b"]" * 100000), jpeg])
send("no UTF-8", [b"\xff\xfe", jpeg])
send("one part", [header()])
send("nothing", [b""])
send("too many parts", [header()] + [b"x" * 64] * options["parts"])
send("good again", [header(message={"n": 2}), jpeg])
print(json.dumps({"event": "done"}), flush=True)
