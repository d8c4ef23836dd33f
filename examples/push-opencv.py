"""Sends OpenCV frames to a gateway at 30 fps, with one request per frame.

Gateway:  npm start -- --source push:
Needs:    pip install opencv-python-headless requests
Usage:    python push-opencv.py [STREAM [CAMERA [FRAMES]]]
          CAMERA is a number, file or address; without one, frames are drawn
"""
import json
import os
import sys
import time
from datetime import datetime, timezone

import cv2
import numpy as np
import requests

stream = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080/streams/main"
source = sys.argv[2] if len(sys.argv) > 2 else ""
frames = int(sys.argv[3]) if len(sys.argv) > 3 else 0  # 0: until Ctrl+C

camera = cv2.VideoCapture(int(source) if source.isdigit() else source) if source else None
session = requests.Session()  # one connection for all requests
if "GEARWAY_TOKEN" in os.environ:
    session.headers["Authorization"] = f"Bearer {os.environ['GEARWAY_TOKEN']}"


def take(number):
    if camera is not None:
        return camera.read()
    frame = np.full((480, 640, 3), (60, 40, 20), np.uint8)
    cv2.putText(frame, f"frame {number}", (40, 250), cv2.FONT_HERSHEY_SIMPLEX, 2, (255, 255, 255), 3)
    return True, frame


number = 0
due = time.monotonic()
try:
    while frames == 0 or number < frames:
        grabbed, frame = take(number + 1)
        if not grabbed:
            break
        number += 1
        _, jpeg = cv2.imencode(".jpg", frame)
        answer = session.post(
            f"{stream}/frames",
            data=jpeg.tobytes(),
            headers={
                "Content-Type": "image/jpeg",
                "Gearway-Message": json.dumps({"number": number}),
                "Gearway-Captured-At": datetime.now(timezone.utc).isoformat(),
            },
            timeout=5,
        )
        if not answer.ok:  # for example 409: another publisher is active
            sys.exit(f"{answer.status_code}: {answer.json()['message']}")
        if number % 30 == 0:
            print("sent:", number, "sequence:", answer.json()["sequence"], flush=True)
        due += 1 / 30
        time.sleep(max(0, due - time.monotonic()))
except KeyboardInterrupt:
    pass
