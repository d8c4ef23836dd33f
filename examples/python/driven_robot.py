"""NetGear server of a robot that browsers drive. The robot is simulated, and drawn into the picture.

Gateway:  npm start -- --source "netgear:tcp://127.0.0.1:5555?pattern=1&capturedAt=t"
Page:     examples/dashboard.html
Needs:    pip install vidgear opencv-python-headless simplejpeg pyzmq
Usage:    python driven_robot.py [PORT [FRAMES]]
"""
import math
import sys
import threading
import time

import cv2
import numpy as np
from vidgear.gears import NetGear

port = sys.argv[1] if len(sys.argv) > 1 else "5555"
frames = int(sys.argv[2]) if len(sys.argv) > 2 else 0  # 0: until Ctrl+C
WIDTH, HEIGHT = 640, 480


class Robot(threading.Thread):
    """Moves in a separate thread, so that it stops even while `server.send()` waits for a lost gateway."""

    x, y, heading = WIDTH / 2, HEIGHT / 2, -math.pi / 2
    speed, until = (0.0, 0.0), 0.0

    def drive(self, turn, forward):
        self.speed, self.until = (turn, forward), time.monotonic() + 0.3

    def run(self):
        while True:
            time.sleep(0.02)
            turn, forward = self.speed if time.monotonic() < self.until else (0.0, 0.0)
            self.heading += turn * 0.05
            self.x = min(WIDTH - 40, max(40, self.x + math.cos(self.heading) * forward * 3))
            self.y = min(HEIGHT - 40, max(40, self.y + math.sin(self.heading) * forward * 3))


def number(value):
    """Converts a value to a number from -1 to 1; 0 if it is not a number, because a browser may return anything."""
    try:
        value = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return max(-1.0, min(1.0, value)) if math.isfinite(value) else 0.0


def command(values):
    """Turn and forward values of the first device in use; neutral without one."""
    devices = [value[name] for value in values for name in ("stick", "keys") if isinstance(value.get(name), dict)]
    return next(((number(each.get("x")), number(each.get("y"))) for each in devices if each.get("x") or each.get("y")), (0.0, 0.0))


def draw(robot, stopped):
    frame = np.full((HEIGHT, WIDTH, 3), (60, 52, 46), np.uint8)
    frame[::40] = frame[:, ::40] = (78, 70, 62)
    body = np.array([(30, 0), (-20, 18), (-12, 0), (-20, -18)]) @ np.array(
        [(math.cos(robot.heading), math.sin(robot.heading)), (-math.sin(robot.heading), math.cos(robot.heading))]
    )
    cv2.fillPoly(frame, [np.int32(body + (robot.x, robot.y))], (60, 60, 220) if stopped else (230, 190, 90), cv2.LINE_AA)
    return frame


server = NetGear(address="127.0.0.1", port=port, protocol="tcp", pattern=1, bidirectional_mode=True, max_retries=10**6)
robot = Robot(daemon=True)
robot.start()
stopped, goals, sent = False, [], 0
try:
    while frames == 0 or sent < frames:
        sent += 1
        pose = {"x": round(robot.x), "y": round(robot.y), "heading": round(math.degrees(robot.heading) % 360)}
        message = {"t": time.time(), "stop": stopped, "pose": pose, "overlay": goals}
        returned = server.send(draw(robot, stopped), message=message)
        # {"6000": {"stick": {"x": 0, "y": 1}, …}}; None for a client that returns nothing, and without a gateway
        values = [value for value in (returned or {}).values() if isinstance(value, dict)]
        requests = [value.get("stop") for value in values]
        if True in requests:
            stopped = True
        elif False in requests:
            stopped = False  # reset, and no client requests the stop
        robot.drive(*((0.0, 0.0) if stopped else command(values)))
        goals = [{**value["goal"], "label": "Goal", "color": "gold"} for value in values if isinstance(value.get("goal"), dict)]
        time.sleep(1 / 30)
except KeyboardInterrupt:
    pass
finally:
    server.close()
