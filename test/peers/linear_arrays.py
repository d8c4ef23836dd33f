"""Prints arrays of every real type, byte order and shape of a picture as .npy, and their appearance, computed by NumPy."""
import base64
import io
import json

import numpy as np

HEIGHT, WIDTH = 24, 32
SHAPES = [(HEIGHT, WIDTH), (HEIGHT, WIDTH, 1), (HEIGHT, WIDTH, 3), (HEIGHT, WIDTH, 4)]
TYPES = ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]


def limits(dtype):
    if dtype.kind in "bf":
        return 0.0, 1.0
    return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)


def ramp(dtype, shape):
    """A smooth ramp from black to white, which a JPEG preserves; the ramp of each channel begins slightly later than that of the previous one."""
    channels = shape[2] if len(shape) == 3 else 1
    y, x, c = np.mgrid[0:HEIGHT, 0:WIDTH, 0:channels]
    part = np.clip((x + y / 4 + 2 * c) / (WIDTH + HEIGHT / 4 + 6), 0, 1)
    if dtype.kind == "b":
        return (part > 0.5).reshape(shape)
    if dtype.kind == "f":
        return part.astype(dtype).reshape(shape)
    low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    steps = (part * 10_000).astype(int)
    return np.array([low + (high - low) * int(step) // 10_000 for step in steps.flat], dtype=dtype).reshape(shape)


def with_extremes(array):
    """The minimum and the maximum, and the special values of floats, in the first pixels."""
    out = array.copy()
    flat = out.reshape(-1)
    kind = out.dtype.kind
    if kind == "f":
        flat[:6] = [np.nan, np.inf, -np.inf, -1, 2, 0.5]
    elif kind != "b":
        flat[:2] = [np.iinfo(out.dtype).min, np.iinfo(out.dtype).max]
    return out


def seen(array):
    """Rows of RGB."""
    low, high = limits(array.dtype)
    with np.errstate(all="ignore"):
        gray = np.rint((array.astype(np.float64) - low) / (high - low) * 255)
    gray = np.nan_to_num(np.clip(gray, 0, 255), nan=0).astype(np.uint8)
    if gray.ndim == 2 or gray.shape[2] == 1:
        return np.repeat(gray.reshape(HEIGHT, WIDTH, 1), 3, axis=2)
    return gray[:, :, 2::-1]


def main():
    for name in TYPES:
        for order in "<>" if np.dtype(name).itemsize > 1 else "<":
            dtype = np.dtype(name).newbyteorder(order)
            for shape in SHAPES:
                smooth = ramp(dtype, shape)
                # Noise would not survive a JPEG: those arrays are compared exactly, by the viewer and as PNG.
                for kind, array in (("exact", with_extremes(smooth)), ("smooth", smooth)):
                    file = io.BytesIO()
                    np.save(file, array)
                    print(json.dumps({
                        "name": f"{array.dtype.str} {list(shape)}", "kind": kind, "dtype": str(array.dtype), "shape": list(shape),
                        "npy": base64.b64encode(file.getvalue()).decode(), "rgb": base64.b64encode(np.ascontiguousarray(seen(array)).tobytes()).decode(),
                        "samples": base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode(),
                    }), flush=True)


if __name__ == "__main__":
    main()
