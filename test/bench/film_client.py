"""A real NetGear client of pattern 1 in multi-clients mode that records the number burned into each frame and the time at which it was decoded, between the commands `go` and `rest`. Options (JSON, first argument): port."""
import json
import sys
import time

from answer_parent import answer_parent
from bench_picture import BITS, COLUMNS
from vidgear.gears import NetGear

options = json.loads(sys.argv[1])
client = NetGear(address="127.0.0.1", port=str(options["port"]), protocol="tcp", pattern=1, receive_mode=True, logging=False, multiclient_mode=True)
shown = []


def obey(word):
    if word == "go":
        shown.clear()
    if word == "rest":
        print(json.dumps({"event": "shown", "shown": list(shown)}), flush=True)


def number(frame):
    height, width = frame.shape[:2]
    block = width // COLUMNS
    # Reads both rows of blocks, because a placeholder has no number.
    row = frame[height // 2 - block // 2, 2 * block + block // 2::block, 1][:BITS]
    inverted = frame[height // 2 + block // 2, 2 * block + block // 2::block, 1][:BITS]
    bits = row > 128
    return int("".join("1" if bit else "0" for bit in bits), 2) if ((inverted > 128) != bits).all() else None


answer_parent(obey, lambda: len(shown))
print(json.dumps({"event": "ready"}), flush=True)
while (frame := client.recv()) is not None:
    found = number(frame)
    if found is not None:
        shown.append({"number": found, "atMs": time.time() * 1000})
