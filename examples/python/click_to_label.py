"""NetGear server that sends pictures, which users label in the browser with points, boxes and polygons. A label is drawn in all browsers, printed, and stored in labels.jsonl with the picture that was on screen.

Gateway:  npm start -- --source "netgear:tcp://127.0.0.1:5555?pattern=1&capturedAt=t"
Page:     <gearway-viewer src="http://127.0.0.1:8080/streams/main" controls overlays></gearway-viewer>
          <gearway-pointer name="screw" tool="box" active>Screws</gearway-pointer>
          <gearway-pointer name="nut" tool="click">Nuts</gearway-pointer>
Needs:    pip install vidgear opencv-python-headless simplejpeg pyzmq
Usage:    python click_to_label.py [PORT [FRAMES]]
"""
import json
import sys
import time

import cv2
import numpy as np
from vidgear.gears import NetGear

port = sys.argv[1] if len(sys.argv) > 1 else "5555"
frames = int(sys.argv[2]) if len(sys.argv) > 2 else 0  # 0: until Ctrl+C

WIDTH, HEIGHT, KEPT = 640, 480, 90
SHAPES = ("points", "box", "polygon")
random = np.random.default_rng(4)
PARTS = [(random.uniform((50, 50), (WIDTH - 50, HEIGHT - 50)), random.uniform(0, 3), number % 2) for number in range(14)]


def draw_tray():
    frame = np.full((HEIGHT, WIDTH, 3), (92, 104, 112), np.uint8)
    for place, angle, is_nut in PARTS:
        if is_nut:
            turns = angle + np.arange(6) * np.pi / 3
            cv2.fillPoly(frame, [np.int32(place + 20 * np.stack((np.cos(turns), np.sin(turns)), 1))], (190, 200, 205), cv2.LINE_AA)
            cv2.circle(frame, np.int32(place), 10, (60, 66, 70), -1, cv2.LINE_AA)
        else:
            tip = place + 46 * np.array((np.cos(angle), np.sin(angle)))
            cv2.line(frame, np.int32(place), np.int32(tip), (170, 180, 186), 9, cv2.LINE_AA)
            cv2.circle(frame, np.int32(place), 14, (205, 212, 216), -1, cv2.LINE_AA)
    return frame


def new_labels(returned, seen):
    """Shapes that have changed since the last frame, because a device keeps its value until the next shape."""
    for port, devices in (returned or {}).items():
        for name, shape in devices.items() if isinstance(devices, dict) else ():
            if not isinstance(shape, dict) or shape == seen.get((port, name)):
                continue
            seen[port, name] = shape
            captured = shape.get("capturedAtMs")
            kind = next((kind for kind in SHAPES if isinstance(shape.get(kind), list)), None)
            if kind is not None:
                yield {"class": name, kind: shape[kind]}, captured if isinstance(captured, (int, float)) else None


server = NetGear(address="127.0.0.1", port=port, protocol="tcp", pattern=1, bidirectional_mode=True, max_retries=10**6)
tray = draw_tray()
number, labels, seen, recent = 0, [], {}, {}
try:
    while frames == 0 or number < frames:
        number += 1
        captured = round(time.time() * 1000)
        frame = cv2.convertScaleAbs(tray, alpha=0.9 + 0.1 * np.sin(number / 20))  # the light flickers
        recent[captured] = frame
        if len(recent) > KEPT:
            del recent[next(iter(recent))]
        returned = server.send(frame, message={"t": captured, "overlay": labels[-50:]})
        for label, captured in new_labels(returned, seen):
            labels.append(label)
            picture = f"{int(captured)}.png" if captured in recent else None  # the frame on screen, if it is still stored
            if picture is not None:
                cv2.imwrite(picture, recent[captured])
            line = json.dumps({**label, "picture": picture})
            with open("labels.jsonl", "a", encoding="utf-8") as file:
                file.write(line + "\n")
            print(line, flush=True)
        time.sleep(1 / 30)
except KeyboardInterrupt:
    pass
finally:
    server.close()
