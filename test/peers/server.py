"""A real NetGear server. Prints the result of send() whenever it changes, and the frames that it sent, as JSON lines.

Options (JSON, first argument): port, ports (of multi-clients mode), pattern, bidirectional, multiclient, multiserver, height, width, fps, frames, raw,
pauses ({"at": n, "seconds": s}), quiet (prints only the last returned value of each port, when it ends), secure (secure_mode), keys
(custom_cert_location). A returned array is printed as {"$array": dtype, "shape": [...], "sha1": ...}.
"""
import hashlib
import json
import sys
import time

import numpy as np
import picture_number
from vidgear.gears import NetGear


def emit(**event):
    print(json.dumps(event), flush=True)


def plain(value):
    if isinstance(value, np.ndarray):
        return {"$array": str(value.dtype), "shape": list(value.shape), "sha1": hashlib.sha1(value.tobytes()).hexdigest()}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


options = json.loads(sys.argv[1])
pattern = options.get("pattern", 1)
bidirectional = options.get("bidirectional", False)
netgear_options = {}
if bidirectional:
    netgear_options["bidirectional_mode"] = True
if options.get("multiclient"):
    netgear_options["multiclient_mode"] = True
if options.get("secure"):
    netgear_options["secure_mode"] = options["secure"]
if options.get("keys"):
    netgear_options["custom_cert_location"] = options["keys"]
if options.get("raw"):
    netgear_options["jpeg_compression"] = False
if options.get("multiserver"):
    netgear_options["multiserver_mode"] = True
server = NetGear(
    address="127.0.0.1", port=[str(port) for port in options.get("ports", [options.get("port")])] if options.get("multiclient") else str(options["port"]), protocol="tcp", pattern=pattern, logging=False,
    **netgear_options,
)
emit(event="ready")

by_port = {}
dealt = []
height, width = options.get("height", 121), options.get("width", 401)
fps = options.get("fps", 30)
background = np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)
last = None
start = time.monotonic()
paused = 0.0
for number in range(options["frames"]):
    for pause in options.get("pauses", []):
        if pause["at"] == number:
            time.sleep(pause["seconds"])
            paused += pause["seconds"]
    frame = background.copy() if options.get("raw") else np.full((height, width, 3), number % 200, np.uint8)
    picture_number.burn(frame, number)
    sent = time.time()
    returned = plain(server.send(frame, message={"n": number, "t": sent}) if bidirectional else server.send(frame))
    if options.get("multiclient") and returned is not None:
        by_port[returned[0]] = returned[1]
        dealt.append(returned[0])
    if not options.get("quiet") and returned != last:
        emit(event="returned", n=number, t=time.time(), data=returned)
        last = returned
    if number % 30 == 29:
        emit(event="progress", n=number, t=time.time(), data=returned)
    if options.get("hash"):
        emit(event="sent", n=number, sha1=hashlib.sha1(frame.tobytes()).hexdigest())
    wait = start + paused + (number + 1) / fps - time.monotonic()
    if wait > 0:
        time.sleep(wait)
seconds = time.monotonic() - start - paused
if pattern == 2:
    # A publisher of NetGear queues one message. If the last frame is still in the queue, the termination is dropped, and the subscriber does not end.
    time.sleep(1)
emit(event="done", sent=options["frames"], seconds=seconds, by_port=by_port, dealt={port: dealt.count(port) for port in by_port})
server.close()
