"""A bound socket that accepts messages and never answers. Options (JSON, first argument): port, type (of the socket; default REP)."""
import json
import sys
import time

import zmq

options = json.loads(sys.argv[1])
socket = zmq.Context().socket(getattr(zmq, options.get("type", "REP")))
socket.bind(f"tcp://127.0.0.1:{options['port']}")
print(json.dumps({"event": "ready"}), flush=True)
time.sleep(600)
