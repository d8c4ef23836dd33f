"""Publishes the pictures of pictures.py with `requests` (a dependency of VidGear), at fixed times. Prints a JSON line when it ends, or when it is refused.

Options (JSON, first argument): url (http://HOST:PORT/streams/NAME), frames, fps, how ("single": one request per picture; "form"; "running": one multipart body),
first (the first picture's number), npy (arrays rather than JPEGs), height and width of the pictures, query (a map).
"""
import io
import json
import sys
import time

import numpy as np
import picture_number
import requests
import simplejpeg


def emit(**event):
    print(json.dumps(event), flush=True)


options = json.loads(sys.argv[1])
url, frames, first = options["url"] + "/frames", options["frames"], options.get("first", 0)
how, query = options.get("how", "single"), options.get("query", {})
session = requests.Session()


def picture(number):
    """@return: media type, bytes."""
    frame = np.full((options.get("height", 479), options.get("width", 641), 3), number % 200, np.uint8)
    picture_number.burn(frame, number)
    if options.get("npy"):
        file = io.BytesIO()
        np.save(file, frame)
        return "application/x-npy", file.getvalue()
    return "image/jpeg", simplejpeg.encode_jpeg(frame, quality=90, colorspace="BGR", colorsubsampling="422", fastdct=True)


def numbers():
    due = time.monotonic()
    for number in range(first, first + frames):
        yield number
        due += 1 / options.get("fps", 30)
        time.sleep(max(0, due - time.monotonic()))


def message(number):
    return json.dumps({"n": number, "t": time.time()})


def parts():
    for number in numbers():
        kind, data = picture(number)
        yield f"--frame\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\nGearway-Message: {message(number)}\r\n\r\n".encode() + data + b"\r\n"
    yield b"--frame--\r\n"


emit(event="ready")
if how == "running":
    answer = session.post(url, params=query, data=parts(), headers={"Content-Type": "multipart/x-mixed-replace; boundary=frame"})
    emit(event="answer", status=answer.status_code, body=answer.json())
else:
    for number in numbers():
        kind, data = picture(number)
        if how == "form":
            answer = session.post(url, params=query, files={"frame": ("frame", data, kind), "message": (None, message(number))})
        else:
            answer = session.post(url, params=query, data=data, headers={"Content-Type": kind, "Gearway-Message": message(number)})
        if not answer.ok:
            emit(event="refused", n=number, status=answer.status_code, body=answer.json())
            break
emit(event="done")
