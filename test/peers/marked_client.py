"""A real NetGear client that searches for the mark in every picture. Prints the numbers of pictures with and without it once per second.

Options (JSON, first argument): port, pattern, mark (0 to 255), size ([height, width]).
"""
import json
import sys
import time

from vidgear.gears import NetGear

options = json.loads(sys.argv[1])
multiclient = {"multiclient_mode": True} if options["pattern"] == 1 else {}
client = NetGear(address="127.0.0.1", port=str(options["port"]), protocol="tcp", pattern=options["pattern"], receive_mode=True, logging=False, **multiclient)
marked = unmarked = 0
reported = time.monotonic()
while True:
    data = client.recv()
    if data is None:
        break
    message, frame = data if isinstance(data, (tuple, list)) else (None, data)
    height, width = frame.shape[:2]
    # The placeholder before the first frame has another size.
    if [height, width] == options.get("size", [240, 320]):
        if abs(int(frame[height // 2, width // 2].mean()) - options["mark"]) <= 8:
            marked += 1
        else:
            unmarked += 1
    if time.monotonic() - reported >= 1:
        reported = time.monotonic()
        print(json.dumps({"event": "progress", "marked": marked, "unmarked": unmarked}), flush=True)
