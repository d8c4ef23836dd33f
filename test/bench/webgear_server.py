"""A real WebGear server with a custom frame producer, as in VidGear's documentation. Prints one JSON object per line:
{"event": "ready", "url"}, and with `reports` {"event": "frame", "n", "t"} when a frame is handed over, before it is encoded. Ends with its standard input.

Options (JSON, first argument): port, width, height, kilobytes (of a frame as JPEG), fps (null: as fast as frames are read), ready_made (frames are
encoded once in advance; otherwise by each viewer's producer, as in WebGear itself), reports. The page at / shows the stream /video.
"""
import asyncio
import json
import os
import sys
import threading
import time

import bench_picture
import uvicorn
from vidgear.gears.asyncio import WebGear

# WebGear writes its files here; the folder is not under version control.
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".artifacts")

INDEX = '<!doctype html><title>WebGear</title><style>body{margin:0}img{display:block}</style><img src="/video">'


def emit(**event):
    print(json.dumps(event), flush=True)


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


def write_pages():
    """Writes the pages that WebGear would otherwise download."""
    templates = os.path.join(DATA, ".vidgear", "webgear", "templates")
    os.makedirs(templates, exist_ok=True)
    for name, text in (("index.html", INDEX), ("404.html", "404"), ("500.html", "500")):
        with open(os.path.join(templates, name), "w") as file:
            file.write(text)


options = json.loads(sys.argv[1])
picture = bench_picture.Picture(options["width"], options["height"], options["kilobytes"])
ready_made = bench_picture.encode(picture.frame) if options.get("ready_made") else None
fps = options.get("fps")
numbers = 0


async def produce():
    """WebGear runs one such generator per viewer."""
    global numbers
    pace = None if fps is None else bench_picture.Pace(fps)
    while True:
        if pace is not None:
            await asyncio.sleep(pace.wait())
        numbers += 1
        if options.get("reports"):
            emit(event="frame", n=numbers, t=time.time())
        jpeg = bench_picture.encode(picture.burn(numbers)) if ready_made is None else ready_made
        yield b"--frame\r\nContent-Type:image/jpeg\r\n\r\n" + jpeg + b"\r\n"
        await asyncio.sleep(0)


class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets=sockets)
        emit(event="ready", url=f"http://127.0.0.1:{options['port']}")


write_pages()
threading.Thread(target=end_with_parent, daemon=True).start()
web = WebGear(logging=False, custom_data_location=DATA)
web.config["generator"] = produce
Server(uvicorn.Config(web(), host="127.0.0.1", port=options["port"], log_level="warning", access_log=False)).run()
