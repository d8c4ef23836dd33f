"""Reads MJPEG like typical programs, for a number of seconds: {url, how, seconds}. Prints how many pictures arrived, and how many of them were incomplete.

`opencv` is OpenCV itself. `markers` searches for SOI and EOI, as Home Assistant's MJPEG camera does (extract_image_from_mjpeg). `lengths` reads header
lines, and then the number of bytes in Content-Length, as go2rtc and py-mjpeg do, and ends if there is none. `boundary` splits at the boundary.
"""
import json
import sys
import time
import urllib.request

import cv2
import numpy as np


def opencv(url):
    capture = cv2.VideoCapture(url)
    while True:
        good, picture = capture.read()
        if not good:
            return
        yield picture


def decoded(jpeg):
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def markers(url):
    data = b""
    with urllib.request.urlopen(url) as response:
        while chunk := response.read1(102400):
            data += chunk
            while (end := data.find(b"\xff\xd9")) != -1:
                start = data.find(b"\xff\xd8")
                if start != -1 and start < end:
                    yield decoded(data[start:end + 2])
                data = data[end + 2:]


def lengths(url):
    with urllib.request.urlopen(url) as response:
        boundary = "--" + response.info().get_param("boundary", header="content-type")
        while True:
            line = response.readline().decode().strip()
            if line == "":
                line = response.readline().decode().strip()
            if line != boundary:
                raise ValueError(f"{line!r} received, expected the boundary")
            length = None
            while (line := response.readline().decode().strip()) != "":
                name, value = line.split(":", 1)
                if name.lower() == "content-length":
                    length = int(value)
            if length is None:
                raise ValueError("multipart: no content length")
            yield decoded(response.read(length))


def boundary(url):
    data = b""
    with urllib.request.urlopen(url) as response:
        mark = b"\r\n--" + response.info().get_param("boundary", header="content-type").encode()
        while chunk := response.read1(65536):
            data += chunk
            while (end := data.find(mark)) != -1:
                part, data = data[:end], data[end + len(mark):]
                yield decoded(part.split(b"\r\n\r\n", 1)[1])


def main():
    options = json.loads(sys.argv[1])
    read = {"opencv": opencv, "markers": markers, "lengths": lengths, "boundary": boundary}[options["how"]]
    pictures, broken, began = 0, 0, None
    for picture in read(options["url"]):
        began = began or time.monotonic()
        pictures += 1
        if picture is None or list(picture.shape) != options["shape"]:
            broken += 1
        if time.monotonic() - began >= options["seconds"]:
            break
    print(json.dumps({"event": "done", "pictures": pictures, "broken": broken}), flush=True)


main()
