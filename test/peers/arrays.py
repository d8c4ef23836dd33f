"""Describes values for the types_*.py, so that the values on both sides can be compared."""
import base64
import hashlib

import numpy as np
import simplejpeg


def encoded(array, colorspace):
    """The JPEG to which NetGear encodes an array with its default options."""
    if colorspace == "GRAY":
        return simplejpeg.encode_jpeg(array[:, :, np.newaxis] if array.ndim == 2 else array, quality=90, colorspace="GRAY", fastdct=True)
    return simplejpeg.encode_jpeg(np.ascontiguousarray(array), quality=90, colorspace=colorspace, colorsubsampling="422", fastdct=True)


def decoded(jpeg, colorspace):
    """The array to which NetGear decodes a JPEG."""
    array = simplejpeg.decode_jpeg(jpeg, colorspace=colorspace, fastdct=True)
    return np.squeeze(array, axis=2) if colorspace == "GRAY" else array


def describe(value):
    """An array by type, shape and bytes in row-major order; anything else by its `repr`."""
    if not isinstance(value, np.ndarray):
        return repr(value)
    return f"{value.dtype} {list(value.shape)} {hashlib.sha1(np.ascontiguousarray(value).tobytes()).hexdigest()}"


def inside_object(value, colorspace):
    """The gateway's representation of a value in the object of all clients' values; `colorspace` is None for raw arrays."""
    if not isinstance(value, np.ndarray):
        return repr(value)
    if colorspace is not None:
        return repr({"$ndarray": {"jpeg": base64.b64encode(encoded(value, colorspace)).decode()}})
    return repr({"$ndarray": {"dtype": str(value.dtype), "shape": list(value.shape), "data": base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()}})
