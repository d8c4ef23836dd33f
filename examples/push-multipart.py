"""Sends OpenCV frames to a gateway at 30 fps, in a single streaming request, without waiting for a
response after each frame.

Gateway:  npm start -- --source push:
Needs:    pip install opencv-python-headless requests
Usage:    python push-multipart.py [STREAM [CAMERA [FRAMES]]]
          CAMERA is a number, file or address; without one, frames are drawn
"""
import json
import os
import sys
import time

import cv2
import numpy as np
import requests

stream = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080/streams/main"
source = sys.argv[2] if len(sys.argv) > 2 else ""
frames = int(sys.argv[3]) if len(sys.argv) > 3 else 0  # 0: until Ctrl+C

camera = cv2.VideoCapture(int(source) if source.isdigit() else source) if source else None


def take(number):
    if camera is not None:
        return camera.read()
    frame = np.full((480, 640, 3), (60, 40, 20), np.uint8)
    cv2.putText(frame, f"frame {number}", (40, 250), cv2.FONT_HERSHEY_SIMPLEX, 2, (255, 255, 255), 3)
    return True, frame


def parts():
    number = 0
    due = time.monotonic()
    while frames == 0 or number < frames:
        grabbed, frame = take(number + 1)
        if not grabbed:
            break
        number += 1
        _, jpeg = cv2.imencode(".jpg", frame)
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\nGearway-Message: {json.dumps({'number': number})}\r\n\r\n"
        yield head.encode() + jpeg.tobytes() + b"\r\n"
        due += 1 / 30
        time.sleep(max(0, due - time.monotonic()))
    yield b"--frame--\r\n"


headers = {"Content-Type": "multipart/x-mixed-replace; boundary=frame"}
if "GEARWAY_TOKEN" in os.environ:
    headers["Authorization"] = f"Bearer {os.environ['GEARWAY_TOKEN']}"
try:
    # The response arrives after the body. An earlier one contains the reason why the gateway closed the connection.
    answer = requests.post(f"{stream}/frames", params={"publisher": "push-multipart.py"}, data=parts(), headers=headers)
    print(answer.status_code, answer.text, flush=True)
except requests.exceptions.ConnectionError as error:
    sys.exit(f"the gateway closed the request, or cannot be reached: {error}")
except KeyboardInterrupt:
    pass
