"""A real NetGear receiver in multi-servers mode. Prints what each frame came with, and its end. Options (JSON, first argument): ports, pattern."""
import json
import sys

from vidgear.gears import NetGear


def say(**event):
    print(json.dumps(event), flush=True)


options = json.loads(sys.argv[1])
client = NetGear(
    address="127.0.0.1", port=[str(port) for port in options["ports"]], protocol="tcp", pattern=options["pattern"], receive_mode=True, logging=False,
    multiserver_mode=True,
)
say(event="ready")
while True:
    data = client.recv()
    if data is None:
        break
    port, message, frame = data if len(data) == 3 else (data[0], None, data[1])
    say(event="frame", port=port, message=message, shape=frame.shape)
say(event="done")
client.close()
