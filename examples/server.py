"""NetGear server: sends frames to all browsers and clients of a Gearway gateway.

Gateway:  npm start -- --source "netgear:tcp://127.0.0.1:5555?pattern=1"
Needs:    pip install vidgear opencv-python-headless simplejpeg pyzmq
"""
import sys
import time

import cv2
import numpy as np
from vidgear.gears import NetGear

port = sys.argv[1] if len(sys.argv) > 1 else "5555"
frames = int(sys.argv[2]) if len(sys.argv) > 2 else 0  # 0: until Ctrl+C

server = NetGear(address="127.0.0.1", port=port, protocol="tcp", pattern=1, bidirectional_mode=True)
number = 0
try:
    while frames == 0 or number < frames:
        number += 1
        frame = np.full((480, 640, 3), (60, 40, 20), np.uint8)
        cv2.putText(frame, f"frame {number}", (40, 250), cv2.FONT_HERSHEY_SIMPLEX, 2, (255, 255, 255), 3)

        # Return data of all clients, by port: {"5567": {...}, "6000": None}
        returned = server.send(frame, message={"number": number})
        if number % 30 == 0:
            print("returned:", returned, flush=True)
        time.sleep(1 / 30)
except KeyboardInterrupt:
    pass
finally:
    server.close()
