"""A real NetGear_Async server. Prints what it got back, in bidirectional mode, as JSON lines, and when it is done.

Options (JSON, first argument): port, pattern, bidirectional, frames, dtype.
"""
import asyncio
import json
import sys

import numpy as np
from vidgear.gears.asyncio import NetGear_Async

options = json.loads(sys.argv[1])
bidirectional = options.get("bidirectional", False)
server = NetGear_Async(
    address="127.0.0.1", port=str(options["port"]), protocol="tcp", pattern=options["pattern"], timeout=30,
    **({"bidirectional_mode": True} if bidirectional else {}),
)


async def frames():
    before = None
    for number in range(options["frames"]):
        frame = np.full((24, 32, 3), number % 250, dtype=options.get("dtype", "uint8"))
        if bidirectional:
            returned = await server.transceive_data()
            if returned != before:
                before = returned
                print(json.dumps({"event": "returned", "data": returned}), flush=True)
            yield ({"number": number}, frame)
        else:
            yield frame
        await asyncio.sleep(1 / 30)


async def main():
    server.config["generator"] = frames()
    server.launch()
    await server.task


print(json.dumps({"event": "ready"}), flush=True)
server.loop.run_until_complete(main())
print(json.dumps({"event": "done"}), flush=True)
server.close()
