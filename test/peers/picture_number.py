"""The frame number as a row of 24 blocks of 16 x 16 pixels in a picture's top left corner, most significant bit first."""
import numpy as np

BLOCK = 16
BITS = 24


def burn(frame: np.ndarray, number: int) -> None:
    for bit in range(BITS):
        frame[0:BLOCK, bit * BLOCK:(bit + 1) * BLOCK] = 255 if (number >> (BITS - 1 - bit)) & 1 else 0


def read(frame: np.ndarray) -> int:
    number = 0
    for bit in range(BITS):
        sample = frame[BLOCK // 2, bit * BLOCK + BLOCK // 2]
        number = number * 2 + (1 if np.max(sample) > 127 else 0)
    return number
