"""Many real NetGear clients in one process. Prints each frame of each client as a JSON line.

Options (JSON, first argument): clients, a list of {name, port, pattern, protocol, address, multiclient, bidirectional, secure, keys, returns};
height (pictures of another height, such as the placeholder, are not reported; by default, pictures of any height are).
"""
import hashlib
import json
import sys
import time

import picture_number
import separate_contexts  # noqa: F401
from vidgear.gears import NetGear


def emit(**event):
    print(json.dumps(event), flush=True)


def connect(options):
    modes = {
        "multiclient_mode": options.get("multiclient", False),
        "bidirectional_mode": options.get("bidirectional", False),
        "secure_mode": options.get("secure", 0),
    }
    netgear_options = {key: value for key, value in modes.items() if value}
    if "keys" in options:
        netgear_options["custom_cert_location"] = options["keys"]
    return NetGear(
        address=options.get("address", "127.0.0.1"), port=str(options["port"]), protocol=options.get("protocol", "tcp"), pattern=options["pattern"],
        receive_mode=True, logging=False, **netgear_options,
    )


options = json.loads(sys.argv[1])
clients = [(each, connect(each)) for each in options["clients"]]
emit(event="ready")
while clients:
    is_idle = True
    for each, client in list(clients):
        # recv() waits in a busy loop, which overloads a machine with twenty clients: only clients with data are polled.
        if not client._NetGear__queue and not client._NetGear__terminate:
            continue
        is_idle = False
        data = client.recv(return_data=each.get("returns"))
        if data is None:
            emit(event="end", client=each["name"])
            clients.remove((each, client))
            continue
        message, frame = data if each.get("bidirectional") else (None, data)
        if frame.shape[0] == options.get("height", frame.shape[0]):
            number = picture_number.read(frame) if frame.shape[1] >= picture_number.BITS * picture_number.BLOCK else None
            emit(event="frame", client=each["name"], n=number, message=message, dtype=str(frame.dtype), shape=frame.shape, sha1=hashlib.sha1(frame.tobytes()).hexdigest())
    if is_idle:
        time.sleep(0.002)
