"""A real NetGear_Async server. Prints the data returned in bidirectional mode as JSON lines, and a line when it has finished.

Options (JSON, first argument): port, pattern, bidirectional, frames, dtype; numbered (frames of 121 x 401 pixels with their number burned in; each
is printed with its SHA-1), data (JSON text that it sends with each frame instead of the frame's number). Returned data is printed with its `repr`, an array
as {"$array": dtype, "shape": [...], "sha1": ...}.
"""
import asyncio
import hashlib
import json
import sys

import numpy as np
import picture_number
from vidgear.gears.asyncio import NetGear_Async

options = json.loads(sys.argv[1])
bidirectional = options.get("bidirectional", False)
dtype = options.get("dtype", "uint8")
background = np.random.default_rng(7).integers(0, 256, (121, 401, 3), dtype=np.uint8).astype(dtype)
server = NetGear_Async(
    address="127.0.0.1", port=str(options["port"]), protocol="tcp", pattern=options["pattern"], timeout=30,
    **({"bidirectional_mode": True} if bidirectional else {}),
)


def emit(**event):
    print(json.dumps(event), flush=True)


def sha1(array):
    return hashlib.sha1(array.tobytes()).hexdigest()


def picture(number):
    if not options.get("numbered"):
        return np.full((24, 32, 3), number % 250, dtype=dtype)
    frame = background.copy()
    picture_number.burn(frame, number)
    emit(event="sent", n=number, sha1=sha1(frame))
    return frame


async def frames():
    before = None
    for number in range(options["frames"]):
        frame = picture(number)
        if bidirectional:
            returned = await server.transceive_data()
            if isinstance(returned, np.ndarray):
                returned = {"$array": str(returned.dtype), "shape": list(returned.shape), "sha1": sha1(returned)}
            if returned != before:
                before = returned
                emit(event="returned", data=returned, text=repr(returned))
            yield (json.loads(options["data"]) if "data" in options else {"number": number}, frame)
        else:
            yield frame
        await asyncio.sleep(1 / 30)


async def main():
    server.config["generator"] = frames()
    server.launch()
    await server.task


emit(event="ready")
server.loop.run_until_complete(main())
emit(event="done")
server.close()
