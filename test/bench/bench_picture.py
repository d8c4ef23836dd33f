"""The picture that benchmarks send: a JPEG of a given size, with the frame's number burned into its middle.

The number is a row of blocks, most significant bit first, white for 1, and below it the same inverted, so that a picture that shows no number is
not read as one. Blocks are a sixteenth of the width: they survive scaling and JPEG.

As a script, it prints the picture with the number 0, as BGR samples or as a JPEG. Options (JSON, first argument): width, height, kilobytes, jpeg.
"""
import json
import sys
import time

import numpy as np
import simplejpeg

BITS = 12
COLUMNS = 16

# Fractional part of the golden ratio: its multiples cover 0 to 1 evenly, regardless of their number.
GOLDEN = 0.6180339887
REFRESH = 1 / 60


def encode(frame):
    """Encodes a picture as NetGear and WebGear do by default."""
    return simplejpeg.encode_jpeg(frame, quality=90, colorspace="BGR", colorsubsampling="422", fastdct=True)


class Picture:
    """The samples of a frame, overwritten for the next one: copy them to keep them."""

    def __init__(self, width, height, kilobytes):
        self.block = width // COLUMNS
        self.left = 2 * self.block
        self.top = height // 2 - self.block
        noise = np.random.default_rng(7).standard_normal((height, width, 1), dtype=np.float32)
        slope = np.linspace(40, 210, width, dtype=np.float32)[None, :, None] * np.array([0.9, 1, 1.1], np.float32)
        low, high = 0.0, 128.0
        for _ in range(14):
            amount = (low + high) / 2
            self.frame = np.clip(slope + noise * amount, 0, 255).astype(np.uint8)
            self.burn(0)
            if len(encode(self.frame)) < kilobytes * 1000:
                low = amount
            else:
                high = amount

    def burn(self, number):
        for bit in range(BITS):
            value = 255 if (number >> (BITS - 1 - bit)) & 1 else 0
            left = self.left + bit * self.block
            self.frame[self.top:self.top + self.block, left:left + self.block] = value
            self.frame[self.top + self.block:self.top + 2 * self.block, left:left + self.block] = 255 - value
        return self.frame


class Pace:
    """Times at which frames are due: at the given rate, but each slightly later, so that the frames cover all phases of a display's refresh cycle in turn.

    At exact multiples of the refresh period, the whole measurement would have one phase, chosen by chance."""

    def __init__(self, fps):
        self.period = 1 / fps
        self.start = time.monotonic()
        self.count = 0

    def wait(self):
        """Seconds until the next frame. Frames that are late by more than a period are skipped."""
        late = time.monotonic() - self.start
        self.count = max(self.count + 1, int(late / self.period))
        due = self.count * self.period + (self.count * GOLDEN % 1) * REFRESH
        return max(0, due - late)


if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    picture = Picture(options["width"], options["height"], options["kilobytes"])
    sys.stdout.buffer.write(encode(picture.frame) if options.get("jpeg") else picture.frame.tobytes())
