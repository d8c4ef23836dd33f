"""NetGear client of a Gearway gateway: receives frames with their messages, and returns data.

Gateway:  npm start -- --client "tcp://127.0.0.1:5567?pattern=1"
Needs:    pip install vidgear opencv-python-headless simplejpeg pyzmq
"""
import sys

from vidgear.gears import NetGear

port = sys.argv[1] if len(sys.argv) > 1 else "5567"
frames = int(sys.argv[2]) if len(sys.argv) > 2 else 0  # 0: until the server ends

# The client binds this address; the gateway connects to it.
client = NetGear(
    address="127.0.0.1", port=port, protocol="tcp", pattern=1, receive_mode=True,
    multiclient_mode=True, bidirectional_mode=True,
)
number = 0
while frames == 0 or number < frames:
    data = client.recv(return_data={"seen": number})
    if data is None:
        break
    message, frame = data
    number += 1
    if number % 30 == 1:
        print("frame", frame.shape, "message", message, flush=True)
client.close()
