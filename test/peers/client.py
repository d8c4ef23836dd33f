"""A real NetGear client. Prints its counters as a JSON line, at most twice per second and when it ends.

Options (JSON, first argument): port, pattern, bidirectional, multiclient, returns (a value; {"$array": dtype, "shape": [...]} for an array), hash,
height (of the frames that are counted), awaited (a frame number that is reported as soon as it arrives), slow (seconds of processing per frame), numbers (prints the number of each frame on
arrival), messages (prints the `repr` of each message), corners (prints the shape and four pixels of each frame), secure (secure_mode), keys (custom_cert_location), multiserver (ports instead of port).
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


options = json.loads(sys.argv[1])
netgear_options = {}
if options.get("multiclient", options.get("pattern", 1) == 1):
    netgear_options["multiclient_mode"] = True
bidirectional = options.get("bidirectional", False)
if bidirectional:
    netgear_options["bidirectional_mode"] = True
if options.get("secure"):
    netgear_options["secure_mode"] = options["secure"]
if options.get("keys"):
    netgear_options["custom_cert_location"] = options["keys"]
if options.get("raw_returns"):
    netgear_options["jpeg_compression"] = False
multiserver = options.get("multiserver", False)
if multiserver:
    netgear_options["multiserver_mode"] = True
    netgear_options.pop("multiclient_mode", None)
client = NetGear(
    address="127.0.0.1", port=[str(port) for port in options["ports"]] if multiserver else str(options["port"]), protocol="tcp", pattern=options.get("pattern", 1), receive_mode=True, logging=False,
    **netgear_options,
)
emit(event="ready")

returns = options.get("returns")
if isinstance(returns, dict) and "$array" in returns:
    shape = returns["shape"]
    returns = np.arange(int(np.prod(shape)), dtype=returns["$array"]).reshape(shape)

count = repeats = mismatched = gaps = disordered = 0
first = last = None
longest = busy = 0.0
age = None
stale = []
before = None
reported = time.monotonic()


def report(kind):
    emit(event=kind, count=count, repeats=repeats, mismatched=mismatched, gaps=gaps, disordered=disordered, first=first, last=last, longest=longest, age=age, stale=stale, busy=busy)


while True:
    data = client.recv(return_data=returns)
    if data is None:
        break
    if multiserver:
        server, *rest, frame = data
        emit(event="from", port=server, message=rest[0] if rest else None, n=picture_number.read(frame) if frame.shape[1] >= 384 else None)
        continue
    message, frame = data if bidirectional else (None, data)
    now = time.monotonic()
    count += 1
    if options.get("messages") and message is not None:
        emit(event="message", text=repr(message))
    if options.get("corners"):
        emit(event="corners", shape=list(frame.shape), corners=[frame[y, x].tolist() for y in (4, -5) for x in (4, -5)])
        continue
    if frame.shape[0] == options.get("height", 121):
        number = picture_number.read(frame)
        if bidirectional and message is None:
            repeats += 1
        elif last is not None and number == last and not bidirectional:
            repeats += 1
        else:
            if bidirectional and message["n"] != number:
                mismatched += 1
            if bidirectional:
                age = time.time() - message["t"]
                if age > 0.5:
                    stale.append(round(age, 2))
            if last is not None and number != last + 1:
                gaps += 1
                disordered += number < last
            # NetGear decodes its first frames slowly, even without other clients.
            if last is not None and number > options.get("warm_up", 0):
                longest = max(longest, now - before)
            first = number if first is None else first
            last = number
            before = now
            if options.get("numbers"):
                emit(event="number", n=number)
            if options.get("hash"):
                emit(event="frame", n=number, sha1=hashlib.sha1(frame.tobytes()).hexdigest())
    if count == 1 or now - reported > 0.5 or (last is not None and last == options.get("awaited")):
        reported = now
        report("progress")
    time.sleep(options.get("slow", 0))
    busy += time.monotonic() - now
report("done")
client.close()
