"""A real NetGear server of pattern 1 in multi-clients mode that sends one picture as fast as it can, between the commands `go` and `rest`. Options (JSON, first argument): ports, raw, width, height, kilobytes (of a frame as JPEG)."""
import json
import sys
import threading

import bench_picture
from answer_parent import answer_parent
from vidgear.gears import NetGear

options = json.loads(sys.argv[1])
# Without the option NetGear compresses to JPEG, quality 90.
compression = {"jpeg_compression": False} if options["raw"] else {}
server = NetGear(address="127.0.0.1", port=[str(port) for port in options["ports"]], protocol="tcp", pattern=1, logging=False, multiclient_mode=True, **compression)
frame = bench_picture.Picture(options["width"], options["height"], options["kilobytes"]).frame
frames = 0
going = threading.Event()
answer_parent(lambda word: {"go": going.set, "rest": going.clear}.get(word, lambda: None)(), lambda: frames)
print(json.dumps({"event": "ready"}), flush=True)
while going.wait():
    server.send(frame)
    frames += 1
