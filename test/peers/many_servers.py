"""Many real NetGear servers in one process: those of one sequence run one after another, the sequences concurrently. Prints the frames and the changed return data of each.

Options (JSON, first argument): sequences, a list of lists of {name, port, pattern, protocol, address, multiclient, bidirectional, raw, colorspace, secure, keys, first};
frames (of each server), fps, height, width. All servers of a sequence except the first wait for their name in a line of
the input. Servers with `steps` wait after each frame for their name and the number of the frame in the input, and other servers for the time of the next frame.
"""
import hashlib
import json
import sys
import threading
import time

import numpy as np
import picture_number
import separate_contexts  # noqa: F401
import simplejpeg
from vidgear.gears import NetGear

lock = threading.Lock()
received = threading.Condition()
names = set()


def read():
    for line in sys.stdin:
        with received:
            names.add(line.strip())
            received.notify_all()


def emit(**event):
    with lock:
        print(json.dumps(event), flush=True)


options = json.loads(sys.argv[1])
height, width, fps = options.get("height", 121), options.get("width", 401), options.get("fps", 15)
background = np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)


def wait_for(line):
    with received:
        received.wait_for(lambda: line in names)


def decoded(frame):
    """The picture that a client must receive for a frame that NetGear compresses with its default options."""
    return simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(frame, quality=90, colorspace="BGR", colorsubsampling="422", fastdct=True), colorspace="BGR", fastdct=True)


def run(each):
    name, bidirectional, raw = each["name"], each.get("bidirectional", False), each.get("raw", False)
    modes = {"multiclient_mode": each.get("multiclient", False), "bidirectional_mode": bidirectional, "secure_mode": each.get("secure", 0)}
    netgear_options = {key: value for key, value in modes.items() if value}
    if raw:
        netgear_options["jpeg_compression"] = False
    if "keys" in each:
        netgear_options["custom_cert_location"] = each["keys"]
    server = NetGear(
        address=each.get("address", "127.0.0.1"), port=[str(each["port"])] if each.get("multiclient") else str(each["port"]), protocol=each.get("protocol", "tcp"),
        pattern=each["pattern"], logging=False, **netgear_options,
    )
    last = None
    start = time.monotonic()
    for number in range(each["first"], each["first"] + options["frames"]):
        frame = background.copy()
        picture_number.burn(frame, number)
        emit(event="sent", server=name, n=number, sha1=hashlib.sha1((frame if raw else decoded(frame)).tobytes()).hexdigest())
        returned = server.send(frame, message={"n": number, "from": name}) if bidirectional else server.send(frame)
        if returned != last:
            emit(event="returned", server=name, n=number, data=returned)
            last = returned
        if each.get("steps"):
            wait_for(f"{name} {number}")
        else:
            time.sleep(max(0, start + (number - each["first"] + 1) / fps - time.monotonic()))
    server.close()
    emit(event="closed", server=name)


def run_all(sequence):
    for index, each in enumerate(sequence):
        if index > 0:
            wait_for(each["name"])
        run(each)


threading.Thread(target=read, daemon=True).start()
threads = [threading.Thread(target=run_all, args=(sequence,)) for sequence in options["sequences"]]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
emit(event="end")
