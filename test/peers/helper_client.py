"""The Client of python/ with the real VidGear. Prints the gateway's --client flag, each frame until ten frames had a message, and a line when it has ended.

Options (JSON, first argument): port, returns (a Python expression with `np`), options (of Client).
"""
import json
import sys

import numpy as np

sys.path.insert(0, "../../python/src")  # Peers run in this folder.
from arrays import describe
from gearway import Client

options = json.loads(sys.argv[1])
with Client(options["port"], **options.get("options", {})) as client:
    client.return_data = eval(options["returns"])
    print(json.dumps({"event": "ready", "client": client.client, "returns": describe(client.return_data)}), flush=True)
    count = 0
    for message, frame in client:
        if message is not None and count < 10:
            count += 1
            print(json.dumps({"event": "frame", "number": message["number"], "mask": describe(message["mask"]), "shape": frame.shape}), flush=True)
    print(json.dumps({"event": "ended"}), flush=True)
