"""A NetGear client that opens its video file with the size of the first frame, like most programs. Ends after it has written `frames` frames.

Options (JSON, first argument): port, file, frames. Prints one JSON line per change of the frames' size, and one when it ends.
"""
import json
import sys

import cv2
from vidgear.gears import NetGear

options = json.loads(sys.argv[1])
client = NetGear(address="127.0.0.1", port=str(options["port"]), protocol="tcp", pattern=1, receive_mode=True, logging=False, multiclient_mode=True, bidirectional_mode=True)
print(json.dumps({"event": "ready"}), flush=True)

writer = size = None
received = 0
while received < options["frames"]:
    data = client.recv()
    if data is None:
        break
    message, frame = data
    received += message is not None
    if frame.shape[:2] != size:
        size = frame.shape[:2]
        print(json.dumps({"event": "size", "width": size[1], "height": size[0], "message": message}), flush=True)
    if writer is None:
        writer = cv2.VideoWriter(options["file"], cv2.VideoWriter_fourcc(*"MJPG"), 10, (size[1], size[0]))
    writer.write(frame)
writer.release()
client.close()

capture = cv2.VideoCapture(options["file"])
count = 0
while True:
    more, frame = capture.read()
    if not more:
        break
    count += 1
    shape = list(frame.shape)
print(json.dumps({"event": "done", "received": received, "count": count, "shape": shape}), flush=True)
