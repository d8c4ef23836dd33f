"""A real imagezmq sender. Prints a line when it is ready, and when it ends the number of pictures that it has sent.

Options (JSON, first argument): port, publish (a PUB socket that binds; otherwise a REQ socket that connects), name (its msg), raw, mark (gray of all pixels),
frames, fps; numbered (a picture of 121 x 401 pixels with its number burned in; each is printed with its SHA-1, and that of the array to
which NetGear decodes it), messages (sent in turn instead of the name), pause_at (a number, at which it waits for a line on stdin).
"""
import hashlib
import json
import sys
import time

import imagezmq
import numpy as np
import picture_number
import simplejpeg


def emit(**event):
    print(json.dumps(event), flush=True)


def sha1(data):
    return hashlib.sha1(data).hexdigest()


options = json.loads(sys.argv[1])
publish, raw, numbered = (options.get(key, False) for key in ("publish", "raw", "numbered"))
sender = imagezmq.ImageSender(connect_to=f"tcp://{'*' if publish else '127.0.0.1'}:{options['port']}", REQ_REP=not publish)
background = np.random.default_rng(7).integers(0, 256, (121, 401, 3), dtype=np.uint8)
plain = np.full((48, 64, 3), options.get("mark", 0), dtype=np.uint8)
plain[0, 0] = (1, 2, 3)
emit(event="ready")
due = time.monotonic()
for number in range(options["frames"]):
    if number == options.get("pause_at"):
        emit(event="paused")
        sys.stdin.readline()
        due = time.monotonic()
    messages = options.get("messages", [options.get("name", "NoName")])
    message = messages[number % len(messages)]
    picture = background.copy() if numbered else plain
    if numbered:
        picture_number.burn(picture, number)
    if raw:
        if numbered:
            emit(event="sent", n=number, sha1=sha1(picture.tobytes()), decoded=sha1(picture.tobytes()))
        sender.send_image(message, picture)
    else:
        jpeg = simplejpeg.encode_jpeg(picture, quality=95, colorspace="BGR")
        if numbered:
            emit(event="sent", n=number, sha1=sha1(jpeg), decoded=sha1(simplejpeg.decode_jpeg(jpeg, colorspace="BGR", fastdct=True, fastupsample=False).tobytes()))
        sender.send_jpg(message, jpeg)
    due += 1 / options.get("fps", 30)
    time.sleep(max(0, due - time.monotonic()))
emit(event="done", sent=options["frames"])
sender.close()
