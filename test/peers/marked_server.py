"""A real NetGear server whose pictures contain a mark: a square of one gray value in the centre.

Options (JSON, first argument): port, pattern, mark (0 to 255), fps.
"""
import json
import sys
import time

import numpy as np
from vidgear.gears import NetGear

options = json.loads(sys.argv[1])
server = NetGear(address="127.0.0.1", port=str(options["port"]), protocol="tcp", pattern=options["pattern"], logging=False)
frame = np.random.default_rng(options["mark"]).integers(0, 255, (240, 320, 3), dtype=np.uint8)
frame = np.repeat(np.repeat(frame[::8, ::8], 8, axis=0), 8, axis=1)
frame[88:152, 128:192] = options["mark"]
print(json.dumps({"event": "ready"}), flush=True)
due = time.monotonic()
while True:
    server.send(np.ascontiguousarray(frame), message={"mark": options["mark"]})
    due += 1 / options["fps"]
    time.sleep(max(0, due - time.monotonic()))
