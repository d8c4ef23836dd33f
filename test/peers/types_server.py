"""A real NetGear server that sends one picture repeatedly, until its input specifies the next one; prints the result of send() whenever it changes.

Options (JSON, first argument): port. Each line of input is JSON: {case, array (a Python expression), colorspace (null for raw)}; another colour space
is another NetGear. The event `case` has the picture as a client must receive it.
"""
import json
import sys
import threading
import time

import numpy as np  # noqa: F401, for the expressions
from arrays import decoded, describe, encoded
from vidgear.gears import NetGear


def emit(**event):
    print(json.dumps(event), flush=True)


options = json.loads(sys.argv[1])
cases = []


def read():
    for line in sys.stdin:
        cases.append(json.loads(line))


threading.Thread(target=read, daemon=True).start()
server = case = array = last = None
while True:
    if cases:
        previous, case = case, cases.pop(0)
        if previous is None or previous["colorspace"] != case["colorspace"]:
            if server is not None:
                server.close()
            server = NetGear(
                address="127.0.0.1", port=str(options["port"]), protocol="tcp", pattern=1, logging=False, bidirectional_mode=True,
                jpeg_compression=case["colorspace"] or False,
            )
        array = eval(case["array"])
        seen = array if case["colorspace"] is None else decoded(encoded(array, case["colorspace"]), case["colorspace"])
        emit(event="case", case=case["case"], seen=describe(seen), dtype=str(array.dtype))
    if server is not None:
        returned = describe(server.send(array, message={"case": case["case"]}))
        if returned != last:
            emit(event="returned", data=returned)
            last = returned
    time.sleep(0.02)
