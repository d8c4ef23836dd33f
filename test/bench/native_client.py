"""A real NetGear client of pattern 1 in multi-clients mode that counts its frames and does nothing with them. Options (JSON, first argument): port."""
import json
import sys

from answer_parent import answer_parent
from vidgear.gears import NetGear

options = json.loads(sys.argv[1])
client = NetGear(address="127.0.0.1", port=str(options["port"]), protocol="tcp", pattern=1, receive_mode=True, logging=False, multiclient_mode=True)
frames = 0
answer_parent(lambda word: None, lambda: frames)
print(json.dumps({"event": "ready"}), flush=True)
while client.recv() is not None:
    frames += 1
