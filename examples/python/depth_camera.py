"""NetGear server of a depth camera: uint16 arrays in millimetres, with 0 for pixels without a measurement. The scene is
synthetic: a room with a slanted wall, a floor, and a ball that rolls through it. With the intrinsics of the camera in
the message, the viewer's inspector measures distances.

Gateway:  npm start -- --source "netgear:tcp://127.0.0.1:5555?pattern=1"
Page:     <gearway-viewer src="http://127.0.0.1:8080/streams/main" controls inspector
            range="1000,5500" colormap="turbo" unit="mm" color-bar></gearway-viewer>
Needs:    pip install vidgear opencv-python-headless simplejpeg pyzmq
Usage:    python depth_camera.py [PORT [FRAMES]]
"""
import sys
import time

import numpy as np
from vidgear.gears import NetGear

port = sys.argv[1] if len(sys.argv) > 1 else "5555"
frames = int(sys.argv[2]) if len(sys.argv) > 2 else 0  # 0: until Ctrl+C

WIDTH, HEIGHT, FOCAL = 320, 240, 260
NEAREST, FARTHEST = 400, 6000  # range of the sensor, in millimetres
WALL, FLOOR, RADIUS = 3900, 900, 420

INTRINSICS = {"fx": FOCAL, "fy": FOCAL, "cx": WIDTH / 2, "cy": HEIGHT / 2}

# Rays of the pixels: right and down per millimetre of depth.
right, down = np.meshgrid((np.arange(WIDTH) - WIDTH / 2) / FOCAL, (np.arange(HEIGHT) - HEIGHT / 2) / FOCAL)
with np.errstate(divide="ignore"):
    room = np.minimum(WALL / (1 - 0.4 * right), np.where(down > 0, FLOOR / down, np.inf))
noise = np.random.default_rng(1)


def ball(x, y, z):
    """Depth of the front of a ball with this centre, in millimetres; infinite outside of the ball."""
    a = right**2 + down**2 + 1
    b = right * x + down * y + z
    root = b**2 - a * (x**2 + y**2 + z**2 - RADIUS**2)
    return np.where(root >= 0, (b - np.sqrt(np.maximum(root, 0))) / a, np.inf)


def capture(seconds):
    front = ball(900 * np.cos(seconds * 0.8), FLOOR - RADIUS, 2600 + 700 * np.sin(seconds * 0.5))
    depth = np.minimum(room, front)
    # A stereo camera measures nothing next to an edge that hides the surface from its second lens.
    hidden = np.roll(front, -6, axis=1) < depth - 300
    depth = depth + noise.normal(0, 1, depth.shape) * (depth / 1500) ** 2
    lost = hidden | (depth < NEAREST) | (depth > FARTHEST) | (noise.random(depth.shape) < 0.003)
    return np.where(lost, 0, np.round(depth)).astype(np.uint16)


# Without jpeg_compression, arrays arrive unmodified.
server = NetGear(
    address="127.0.0.1", port=port, protocol="tcp", pattern=1, bidirectional_mode=True, jpeg_compression=False, max_retries=10**6,
)
start = time.monotonic()
number = 0
try:
    while frames == 0 or number < frames:
        number += 1
        depth = capture(time.monotonic() - start)
        server.send(depth, message={"unit": "mm", "intrinsics": INTRINSICS, "nearest": int(depth[depth > 0].min())})
        time.sleep(1 / 30)
except KeyboardInterrupt:
    pass
finally:
    server.close()
