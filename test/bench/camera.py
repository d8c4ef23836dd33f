"""A camera program with a real NetGear server. Sends frames after the line "start" on its standard input until the line "stop", and ends with it.
Prints a JSON object a line: {"event": "ready"}, {"event": "frame", "n", "t"} when a frame is handed to NetGear, before that encodes it.

Options (JSON, first argument): port, width, height, kilobytes (of a frame as JPEG), fps.
"""
import json
import os
import sys
import threading
import time

import bench_picture
from vidgear.gears import NetGear


def say(**event):
    print(json.dumps(event), flush=True)


running = threading.Event()


def obey():
    for line in sys.stdin:
        if line.strip() == "start":
            running.set()
        else:
            running.clear()
    os._exit(0)


options = json.loads(sys.argv[1])
picture = bench_picture.Picture(options["width"], options["height"], options["kilobytes"])
server = NetGear(address="127.0.0.1", port=str(options["port"]), protocol="tcp", pattern=1, logging=False)
threading.Thread(target=obey, daemon=True).start()
say(event="ready")
number = 0
while True:
    running.wait()
    pace = bench_picture.Pace(options["fps"])
    while running.is_set():
        time.sleep(pace.wait())
        number += 1
        picture.burn(number)
        say(event="frame", n=number, t=time.time())
        server.send(picture.frame)
