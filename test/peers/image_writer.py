"""Writes images into a folder with OpenCV and NumPy. Prints each image with the SHA-1 of the expected data: the file's bytes for a JPEG, otherwise the samples as
OpenCV reads them.

Options (JSON, first argument): folder, how: "formats" (one file each), or for many files "rename" (written beside, then renamed), "slow" (in small
pieces), "in-place" (always the same file); prefix, frames, fps, extension.
"""
import hashlib
import io
import json
import os
import sys
import time

import cv2
import numpy as np
import picture_number


def emit(**event):
    print(json.dumps(event), flush=True)


def sha1(data):
    return hashlib.sha1(data).hexdigest()


def picture(number, dtype=np.uint8, channels=3):
    top = np.iinfo(dtype).max
    shape = (479, 641, 3) if channels == 3 else (479, 641)
    frame = np.random.default_rng(number).integers(0, top + 1, shape, dtype=dtype)
    picture_number.burn(frame, number)
    return frame


def encode(frame, extension):
    """The file's bytes, and the expected data."""
    if extension == "npy":
        file = io.BytesIO()
        np.save(file, frame)
        return file.getvalue(), frame.tobytes()
    data = cv2.imencode(f".{extension}", frame)[1].tobytes()
    if extension == "jpg":
        return data, data
    return data, cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED).tobytes()


options = json.loads(sys.argv[1])
folder, how = options["folder"], options["how"]
if how == "formats":
    kinds = [("jpg", np.uint8, 3), ("png", np.uint8, 3), ("bmp", np.uint8, 3), ("webp", np.uint8, 3), ("tif", np.uint8, 3), ("npy", np.uint8, 3),
             ("jpg", np.uint8, 1), ("png", np.uint8, 1), ("bmp", np.uint8, 1), ("tif", np.uint8, 1),
             ("png", np.uint16, 1), ("tiff", np.uint16, 1), ("npy", np.uint16, 1), ("png", np.uint16, 3), ("tiff", np.uint16, 3)]
    for number, (extension, dtype, channels) in enumerate(kinds):
        name = f"img{number}.{extension}"
        frame = picture(number, dtype, channels)
        # Encoded losslessly, because the samples are compared.
        data, expected = (lambda webp: (webp, frame.tobytes()))(cv2.imencode(".webp", frame, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()) if extension == "webp" else encode(frame, extension)
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
        emit(event="wrote", name=name, n=number, sha1=sha1(expected), shape=list(frame.shape), dtype=np.dtype(dtype).name)
    emit(event="done")
    sys.exit()

due = time.monotonic()
for number in range(options["frames"]):
    data, expected = encode(picture(number % 50), options.get("extension", "jpg"))
    name = f"{options['prefix']}{'' if how == 'in-place' else number}.{options.get('extension', 'jpg')}"
    path = os.path.join(folder, name)
    emit(event="writes", name=name, sha1=sha1(expected))
    if how == "rename":
        with open(path + ".part", "wb") as file:
            file.write(data)
        os.rename(path + ".part", path)
    else:
        with open(path, "wb", buffering=0) as file:
            pieces = 40 if how == "slow" else 3
            for start in range(0, len(data), len(data) // pieces + 1):
                file.write(data[start:start + len(data) // pieces + 1])
                if how == "slow":
                    time.sleep(0.02)
    due += 1 / options["fps"]
    time.sleep(max(0, due - time.monotonic()))
emit(event="done")
