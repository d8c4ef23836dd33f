"""Decodes JPEGs like a NetGear client. Reads a file of samples, each with a length (4 bytes, big-endian) and the colorspace (1 byte: 0 BGR, 1 CMYK)
before its bytes; prints one JSON line per sample, null or the decoder's error."""
import json
import struct
import sys

import simplejpeg

data = open(sys.argv[1], "rb").read()
at = 0
while at < len(data):
    length, colorspace = struct.unpack_from(">IB", data, at)
    at += 5
    try:
        simplejpeg.decode_jpeg(data[at : at + length], colorspace="CMYK" if colorspace else "BGR", fastdct=True, fastupsample=False)
        print("null")
    except Exception as error:
        print(json.dumps(str(error)))
    at += length
