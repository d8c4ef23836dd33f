"""The Server of python/ with the real VidGear. Prints its source, and the result of send() whenever it changes: {port: description}.

Options (JSON, first argument): port (a number, or a list for multi-clients mode), options (of Server). Ends when its input ends.
"""
import json
import sys
import threading
import time

import numpy as np

sys.path.insert(0, "../../python/src")  # Peers run in this folder.
from arrays import describe
from gearway import Server

options = json.loads(sys.argv[1])
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
last = None
number = 0
with Server(options["port"], **options.get("options", {})) as server:
    print(json.dumps({"event": "ready", "source": server.source}), flush=True)
    while not ended.is_set():
        number += 1
        frame = np.full((48, 64, 3), number % 256, np.uint8)
        # NumPy's numbers and an array, which NetGear alone would refuse.
        returned = server.send(frame, message={"number": np.int64(number), "mask": np.arange(6, dtype=np.uint16).reshape(2, 3)})
        described = {port: describe(value) for port, value in returned.items()}
        if described != last:
            print(json.dumps({"event": "returned", "number": number, "data": described}), flush=True)
            last = described
        time.sleep(0.02)
