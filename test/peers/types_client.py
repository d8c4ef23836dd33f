"""A real NetGear client that returns the values that its input specifies, and prints each picture that differs from the previous one.

Options (JSON, first argument): port, colorspace (for the arrays that it returns; null for raw ones). Each line of input is JSON: {returns (a Python expression)}.
"""
import json
import sys
import threading
import time

import numpy as np  # noqa: F401, for the expressions
from arrays import decoded, describe, encoded, inside_object
from vidgear.gears import NetGear


def emit(**event):
    print(json.dumps(event), flush=True)


options = json.loads(sys.argv[1])
colorspace = options["colorspace"]
values = []


def read():
    for line in sys.stdin:
        values.append(json.loads(line)["returns"])


client = NetGear(
    address="127.0.0.1", port=str(options["port"]), protocol="tcp", pattern=1, receive_mode=True, logging=False, bidirectional_mode=True,
    jpeg_compression=colorspace or False,
)
emit(event="ready")
threading.Thread(target=read, daemon=True).start()
value = last = None
while True:
    if values:
        expression = values.pop(0)
        value = eval(expression)
        seen = decoded(encoded(value, colorspace), colorspace) if isinstance(value, np.ndarray) and colorspace else value
        emit(event="returns", expression=expression, seen=describe(seen), inside=inside_object(value, colorspace))
    data = client.recv(return_data=value)
    if data is None:
        break
    message, frame = data
    if message is not None and (message["case"], describe(frame)) != last:
        last = (message["case"], describe(frame))
        emit(event="frame", case=message["case"], seen=describe(frame))
emit(event="end")
