"""A real NetGear server of a picture with markers: squares of 9 x 9 pixels around the pixels of MARKERS. Prints the result of send() when it
changes, as JSON lines.

Options (JSON, first argument): port, width, height, markers ([[x, y, [b, g, r]], ...]).
"""
import json
import sys
import time

import numpy as np
from vidgear.gears import NetGear

options = json.loads(sys.argv[1])
frame = np.full((options["height"], options["width"], 3), 40, np.uint8)
for x, y, color in options["markers"]:
    frame[y - 4:y + 5, x - 4:x + 5] = color
server = NetGear(
    address="127.0.0.1", port=str(options["port"]), protocol="tcp", pattern=1, logging=False, bidirectional_mode=True, jpeg_compression_quality=100,
)
print(json.dumps({"event": "ready"}), flush=True)
last = None
while True:
    returned = server.send(frame, message={"t": round(time.time() * 1000)})
    if returned != last:
        print(json.dumps({"event": "returned", "t": time.time(), "data": returned}), flush=True)
        last = returned
    time.sleep(1 / 30)
