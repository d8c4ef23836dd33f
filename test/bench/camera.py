"""A camera program with a real NetGear server. A number on its standard input starts sending at this number of frames per second, and "stop" stops it. The program ends when its input ends.
Prints one JSON object per line: {"event": "ready"}, {"event": "frame", "n", "t"} when a frame is handed to NetGear, before that encodes it.

Options (JSON, first argument): port, width, height, kilobytes (of a frame as JPEG).
"""
import json
import os
import queue
import sys
import threading
import time

import bench_picture
from vidgear.gears import NetGear


def emit(**event):
    print(json.dumps(event), flush=True)


wanted = queue.SimpleQueue()


def obey():
    for line in sys.stdin:
        wanted.put(None if line.strip() == "stop" else float(line))
    os._exit(0)


options = json.loads(sys.argv[1])
picture = bench_picture.Picture(options["width"], options["height"], options["kilobytes"])
server = NetGear(address="127.0.0.1", port=str(options["port"]), protocol="tcp", pattern=1, logging=False)
threading.Thread(target=obey, daemon=True).start()
emit(event="ready")
number = 0
while True:
    fps = wanted.get()
    pace = None if fps is None else bench_picture.Pace(fps)
    while pace is not None and wanted.empty():
        time.sleep(pace.wait())
        number += 1
        picture.burn(number)
        emit(event="frame", n=number, t=time.time())
        server.send(picture.frame)
