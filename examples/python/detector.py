"""NetGear server that sends each frame with the boxes of the objects in it. The targets are synthetic: replace `detect()` with your detector.

Gateway:  npm start -- --source "netgear:tcp://127.0.0.1:5555?pattern=1&capturedAt=t"
Page:     <gearway-viewer src="http://127.0.0.1:8080/streams/main" overlays></gearway-viewer>
Needs:    pip install vidgear opencv-python-headless simplejpeg pyzmq
Usage:    python detector.py [PORT [FRAMES]]
"""
import sys
import time

import cv2
import numpy as np
from vidgear.gears import NetGear

port = sys.argv[1] if len(sys.argv) > 1 else "5555"
frames = int(sys.argv[2]) if len(sys.argv) > 2 else 0  # 0: until Ctrl+C

WIDTH, HEIGHT = 640, 480
#        class      size      colour (BGR)    y    pixels per second
TARGETS = [
    ("truck", (132, 62), (70, 140, 220), 150, 70),
    ("car", (84, 44), (190, 110, 60), 226, 120),
    ("car", (84, 44), (90, 170, 90), 300, -95),
    ("bike", (52, 30), (60, 60, 200), 372, -60),
]


def place(number, seconds):
    """Box of a target, x1, y1, x2, y2. It leaves the picture on one side and re-enters on the other."""
    _, (width, height), _, y, speed = TARGETS[number]
    x = (130 * number + speed * seconds) % (WIDTH + width) - width
    return x, y - height / 2, x + width, y + height / 2


def draw(seconds):
    frame = np.full((HEIGHT, WIDTH, 3), (74, 70, 66), np.uint8)
    frame[:100] = frame[410:] = (88, 118, 96)
    for y in (188, 263, 336):
        for x in range(0, WIDTH, 64):
            cv2.line(frame, (x, y), (x + 32, y), (190, 200, 200), 3)
    for number, (_, _, color, _, _) in enumerate(TARGETS):
        x1, y1, x2, y2 = (round(each) for each in place(number, seconds))
        cv2.rectangle(frame, (x1, y1), (x2 - 1, y2 - 1), color, -1)
        cv2.rectangle(frame, (x1 + 10, y1 + 6), (x2 - 11, y2 - 7), (50, 45, 40), 2)
    return frame


def detect(frame, seconds):
    """Result of a detector: objects in the format of docs/overlays.md, in pixels of the frame."""
    found = []
    for number, (name, _, _, _, _) in enumerate(TARGETS):
        x1, y1, x2, y2 = place(number, seconds)
        visible = (min(x2, WIDTH) - max(x1, 0)) / (x2 - x1)
        if visible > 0.1:
            box = [round(max(x1, 0), 1), y1, round(min(x2, WIDTH), 1), y2]
            found.append({"box": box, "class": name, "id": number + 1, "score": round(0.95 * visible, 2)})
    return found


server = NetGear(address="127.0.0.1", port=port, protocol="tcp", pattern=1, bidirectional_mode=True, max_retries=10**6)
start = time.monotonic()
number = 0
try:
    while frames == 0 or number < frames:
        number += 1
        captured = time.time()
        seconds = time.monotonic() - start
        frame = draw(seconds)
        server.send(frame, message={"t": captured, "overlay": detect(frame, seconds)})
        time.sleep(1 / 30)
except KeyboardInterrupt:
    pass
finally:
    server.close()
