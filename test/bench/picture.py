"""The picture that the native benchmark shows: 720p, smooth with some noise, as a camera's is: about 100 KB as JPEG. Run by itself, it prints it as JPEG (as NetGear encodes it) and raw, base64, in a JSON line."""
import base64
import json

import numpy as np
import simplejpeg

HEIGHT, WIDTH = 720, 1280


def picture() -> np.ndarray:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = np.stack([np.sin(x / 90) * np.cos(y / 70), np.sin((x + y) / 120), np.cos((x - 2 * y) / 150)], axis=-1)
    noise = np.random.default_rng(7).normal(0, 1.2, (HEIGHT, WIDTH, 1))
    return np.clip(128 + 90 * waves + noise, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    frame = picture()
    jpeg = simplejpeg.encode_jpeg(frame, quality=90, colorspace="BGR", colorsubsampling="422", fastdct=True)
    print(json.dumps({"event": "picture", "shape": frame.shape, "jpeg": base64.b64encode(jpeg).decode(), "raw": base64.b64encode(frame.tobytes()).decode()}))
