"""A real imagezmq sender. Says when it is ready, and how many pictures it has sent when it is done.

Options (JSON, first argument): port, publish (PUB that binds; else REQ that connects), name (its msg), raw, mark (gray of all pixels),
frames, fps.
"""
import json
import sys
import time

import imagezmq
import numpy as np
import simplejpeg

options = json.loads(sys.argv[1])
publish = options.get("publish", False)
sender = imagezmq.ImageSender(connect_to=f"tcp://{'*' if publish else '127.0.0.1'}:{options['port']}", REQ_REP=not publish)
picture = np.full((48, 64, 3), options["mark"], dtype=np.uint8)
picture[0, 0] = (1, 2, 3)
print(json.dumps({"event": "ready"}), flush=True)
due = time.monotonic()
for number in range(options["frames"]):
    if options.get("raw"):
        sender.send_image(options["name"], picture)
    else:
        sender.send_jpg(options["name"], simplejpeg.encode_jpeg(picture, quality=95, colorspace="BGR"))
    due += 1 / options.get("fps", 30)
    time.sleep(max(0, due - time.monotonic()))
print(json.dumps({"event": "done", "sent": options["frames"]}), flush=True)
sender.close()
