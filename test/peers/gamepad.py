"""A virtual game controller: a test bed of umockdev, in which libudev finds a joystick while it is plugged in.

Chromium must run with the variables UMOCKDEV_DIR (the printed folder) and LD_PRELOAD=libumockdev-preload.so.0, and so
must this script, with a Python that has the bindings of GObject.

Prints {"event": "ready", "folder": …}. Reads one JSON object per line: {"axis": 1, "value": -1} and {"button": 0,
"value": 1} move the controller, {"plugged": true} and {"plugged": false} plug it in and out. It is plugged in at first.
"""
import json
import os
import struct
import sys
import time

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import UMockdev  # noqa: E402

AXES, BUTTONS = 8, 11
# Types of the kernel's joystick events.
BUTTON, AXIS, INITIAL = 0x01, 0x02, 0x80
# A wired Xbox 360 controller, whose axes and buttons Chromium supports.
ID = ["id/vendor", "045e", "id/product", "028e", "id/version", "0114"]

bed = UMockdev.Testbed.new()
node = os.path.join(bed.get_root_dir(), "dev/input/js0")
devices, pipe = [], None


def send(kind, number, value):
    now = int(time.monotonic() * 1000) & 0xFFFFFFFF
    os.write(pipe, struct.pack("<IhBB", now, value, kind, number))


def plug():
    global pipe
    # Removing the last device also removes its folder.
    os.makedirs(os.path.dirname(node), exist_ok=True)
    os.mkfifo(node)
    # Opened for reading as well, because otherwise this call would wait for Chromium.
    pipe = os.open(node, os.O_RDWR | os.O_NONBLOCK)
    parent = bed.add_device("input", "input0", None, ["name", "Virtual controller", *ID], ["ID_INPUT_JOYSTICK", "1"])
    properties = ["DEVNAME", "/dev/input/js0", "ID_INPUT_JOYSTICK", "1"]
    devices.extend([bed.add_device("input", "js0", parent, ["dev", "13:0"], properties), parent])
    # The kernel sends the positions when the device is opened.
    for number in range(AXES):
        send(AXIS | INITIAL, number, 0)
    for number in range(BUTTONS):
        send(BUTTON | INITIAL, number, 0)
    bed.uevent(devices[0], "add")


def unplug():
    os.remove(node)
    bed.uevent(devices[0], "remove")
    os.close(pipe)
    for device in devices:
        bed.remove_device(device)
    devices.clear()


plug()
print(json.dumps({"event": "ready", "folder": bed.get_root_dir()}), flush=True)
for line in sys.stdin:
    command = json.loads(line)
    if "plugged" in command:
        if command["plugged"] != bool(devices):
            plug() if command["plugged"] else unplug()
    elif "axis" in command:
        send(AXIS, command["axis"], round(command["value"] * 32767))
    else:
        send(BUTTON, command["button"], command["value"])
