"""The pictures of server.py as JPEGs, encoded like in NetGear, and the arrays to which NetGear decodes them, one JSON line each. Argument: number of pictures."""
import base64
import hashlib
import json
import sys

import numpy as np
import picture_number
import simplejpeg

for number in range(int(sys.argv[1])):
    frame = np.full((121, 401, 3), number % 200, np.uint8)
    picture_number.burn(frame, number)
    jpeg = simplejpeg.encode_jpeg(frame, quality=90, colorspace="BGR", colorsubsampling="422", fastdct=True)
    decoded = simplejpeg.decode_jpeg(jpeg, colorspace="BGR", fastdct=True, fastupsample=False)
    print(json.dumps({"event": "picture", "n": number, "jpeg": base64.b64encode(jpeg).decode(), "sha1": hashlib.sha1(decoded.tobytes()).hexdigest()}))
