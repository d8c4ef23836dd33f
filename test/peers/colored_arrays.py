"""A real NetGear server that sends one raw array repeatedly, until its input specifies the next one, and computes with NumPy and OpenCV what a viewer must show.

Options (JSON, first argument): port. Each line of input is JSON: {case, array (a Python expression), styles (a list of {range, colormap, invert,
noData, nanColor, belowColor, aboveColor, channelOrder})}. Prints {event: "case", case, shape, values (float64, base64), shown: [{rgba (base64), low, high}]}, one for each style.
"""
import base64
import json
import math
import sys
import threading
import time

import cv2
import numpy as np
from vidgear.gears import NetGear

MAPS = {"turbo": cv2.COLORMAP_TURBO, "viridis": cv2.COLORMAP_VIRIDIS, "inferno": cv2.COLORMAP_INFERNO, "magma": cv2.COLORMAP_MAGMA, "jet": cv2.COLORMAP_JET}


def color(text):
    return [0, 0, 0, 0] if text in ("", "transparent") else [int(text[at:at + 2], 16) for at in (1, 3, 5)] + [255]


def table(name):
    """256 rows of RGBA."""
    levels = np.arange(256, dtype=np.uint8)
    if name in ("", "gray"):
        rgb = np.repeat(levels[:, np.newaxis], 3, axis=1)
    elif name in MAPS:
        rgb = cv2.applyColorMap(levels[np.newaxis], MAPS[name])[0][:, ::-1]
    else:
        points = np.array([color(each)[:3] for each in name.split(",")], dtype=np.float64)
        at = np.linspace(0, len(points) - 1, 256)
        rgb = np.stack([np.floor(np.interp(at, np.arange(len(points)), points[:, channel]) + 0.5) for channel in range(3)], axis=1)
    return np.concatenate([rgb.astype(np.uint8), np.full((256, 1), 255, np.uint8)], axis=1)


def bounds(array, style, no_data):
    kind, channels = array.dtype.kind, 1 if array.ndim == 2 else array.shape[2]
    text = style.get("range", "")
    if text == "":
        text = "auto" if channels == 1 and array.dtype.itemsize >= 2 else "type"
    if text == "auto":
        pixels = array.shape[0] * array.shape[1]
        step = max(1, math.ceil(pixels / 8192))
        while math.gcd(step, array.shape[1]) > 1:
            step += 1
        values = array.reshape(pixels, channels)[::step, :3].astype(np.float64).ravel()
        values = values[np.isfinite(values)]
        if no_data is not None:
            values = values[values != no_data]
        if len(values):
            return float(np.percentile(values, 1, method="lower")), float(np.percentile(values, 99, method="higher"))
        text = "type"
    if text == "type":
        return (0.0, 1.0) if kind in "bf" else (float(np.iinfo(array.dtype).min), float(np.iinfo(array.dtype).max))
    low, high = text.split(",")
    return float(low), float(high)


def shown(array, style):
    channels = 1 if array.ndim == 2 else array.shape[2]
    no_data = style.get("noData", "")
    if channels > 1 or no_data == "none":
        no_data = None
    elif no_data == "":
        no_data = 0 if array.dtype.kind == "u" and array.dtype.itemsize == 2 else None
    else:
        no_data = float(no_data)
    low, high = bounds(array, style, no_data)
    values = array.reshape(array.shape[0], array.shape[1], channels).astype(np.float64)
    with np.errstate(all="ignore"):
        levels = np.nan_to_num(np.clip(np.rint((values - low) / ((high - low) or 1) * 255), 0, 255)).astype(np.uint8)
    if channels > 1:
        order = [0, 1, 2] if style.get("channelOrder") == "rgb" else [2, 1, 0]
        rgba = np.full((*array.shape[:2], 4), 255, np.uint8)
        rgba[:, :, :3] = 255 - levels[:, :, order] if style.get("invert") else levels[:, :, order]
    else:
        values, levels = values[:, :, 0], levels[:, :, 0]
        colors = table(style.get("colormap", ""))
        if style.get("invert"):
            colors = colors[::-1]
        rgba = colors[levels]
        rgba[values < low] = color(style["belowColor"]) if style.get("belowColor") else colors[0]
        rgba[values > high] = color(style["aboveColor"]) if style.get("aboveColor") else colors[255]
        rgba[np.isnan(values)] = color(style.get("nanColor", ""))
        if no_data is not None:
            rgba[values == no_data] = 0
    return {"rgba": base64.b64encode(rgba.tobytes()).decode(), "low": low, "high": high}


def ramp(dtype, low, high, height=48, width=64):
    """Smooth from low to high along both axes, with noise of a tenth."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[0:height, 0:width]
    part = np.clip((x / (width - 1) + y / (height - 1)) / 2 * 0.9 + rng.random((height, width)) * 0.1, 0, 1)
    return (low + part * (high - low)).astype(dtype)


def depth(height=48, width=64):
    """Millimetres, with holes."""
    array = ramp(np.uint16, 400, 5400, height, width)
    array[5:12, 20:31] = 0
    return array


def special(dtype):
    """Metres, with NaN, infinities and other special values."""
    array = ramp(dtype, -1.5, 7.25)
    array[0, :6] = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30]
    array[9:14, 9:30] = np.nan
    return array


def main():
    options = json.loads(sys.argv[1])
    cases = []

    def read():
        for line in sys.stdin:
            cases.append(json.loads(line))

    threading.Thread(target=read, daemon=True).start()
    server = NetGear(address="127.0.0.1", port=str(options["port"]), protocol="tcp", pattern=1, logging=False, jpeg_compression=False)
    case = array = None
    while True:
        if cases:
            case = cases.pop(0)
            array = eval(case["array"])
            values = base64.b64encode(array.astype(np.float64).tobytes()).decode()
            print(json.dumps({"event": "case", "case": case["case"], "shape": array.shape, "values": values, "shown": [shown(array, style) for style in case["styles"]]}), flush=True)
        if array is not None:
            server.send(array, message={"case": case["case"]})
        time.sleep(0.02)


if __name__ == "__main__":
    main()
