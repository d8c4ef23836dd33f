"""NetGear servers and clients of a Gearway gateway.

`Server` and `Client` are VidGear's NetGear with the options that a gateway expects, and with decoded data. `by_port`, `decode` and `encode` do the
same for a NetGear of your own, and need only NumPy.
"""
from .netgear import Client, Received, Server
from .returns import Returns, by_port
from .values import decode, encode

__all__ = ["Client", "Received", "Returns", "Server", "by_port", "decode", "encode"]
__version__ = "0.1.0"
