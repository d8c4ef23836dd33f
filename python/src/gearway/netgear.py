"""VidGear's NetGear with the options that a gateway expects."""
from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .returns import Returns
from .values import decode, encode

_logger = logging.getLogger("gearway")

_UNLIMITED: Final = 2**31 - 1
"""`max_retries`: by default, a server ends after its third timeout, counted over its whole lifetime."""

_A_WEEK: Final = 7 * 24 * 3600
"""`request_timeout` in seconds. A client waits three times as long for a frame, by default 12 s, and then ends: its new socket cannot bind, because the old
one still has the address. The product in milliseconds must fit into 32 bits."""

_FIXED: Final = frozenset(["multiclient_mode", "multiserver_mode", "receive_mode", "bidirectional_mode"])
"""Options that decide the format of the data, and therefore belong to the class."""


class Received(NamedTuple):
    """A frame that a client has received, with its message. The message is `None` in a repeated frame and in a placeholder, and if NetGear drops it: for
    0, `""`, `[]`, `{}` and `False`."""

    message: Any
    frame: NDArray[Any]


class Server:
    """A NetGear server whose frames a gateway receives. `send()` returns the data of all clients by port.

    The server connects; the gateway binds the address of its source, which `source` names:

        with Server(5555) as server:
            print(server.source)  # netgear:tcp://127.0.0.1:5555?pattern=1
            returned = server.send(frame, message={"number": 1})

    With several ports the server is in multi-clients mode: each of them is a port of the stream, and `send()` returns the latest data of each.

    The server waits if the gateway is not running, and survives its restarts: until it answers, each `send()` blocks for `request_timeout`, 4 s by default.

    :param port: port of the gateway's source, or a list of ports for multi-clients mode.
    :param address: address of the gateway's machine, as in the source.
    :param pattern: 1 (request-reply), 0 (pair), or 2 (publish-subscribe), in which nothing is returned.
    :param options: further options of NetGear, such as `secure_mode`, `jpeg_compression=False` or `logging=True`.
    """

    def __init__(self, port: int | Sequence[int] = 5555, address: str = "127.0.0.1", *, pattern: int = 1, protocol: str = "tcp", **options: Any) -> None:
        _refuse(options)
        modes: dict[str, Any] = {"bidirectional_mode": True} if pattern < 2 else {}
        ports = [port] if isinstance(port, int) else list(port)
        if not ports:
            raise ValueError("there is no port, expected at least one")
        is_multiclient = not isinstance(port, int)
        if is_multiclient:
            modes["multiclient_mode"] = True
        if pattern < 2:
            modes["max_retries"] = _UNLIMITED
        self.source: Final = _url("netgear:", protocol, address, ports, {"pattern": pattern} | ({"multiclient": "true"} if is_multiclient else {}))
        """The gateway's `--source` for this server, without options of secure mode."""
        self._returns = Returns()
        names = [str(each) for each in ports]
        self._netgear = _netgear()(
            address=address, port=names if is_multiclient else names[0], protocol=protocol, pattern=pattern, **(modes | options)
        )

    def send(self, frame: NDArray[Any], message: Any = None) -> dict[int, Any]:
        """Sends a frame with its message, in which arrays are encoded. Returns the data of the clients by port, with arrays decoded.

        Raises `ValueError` if the reply does not come from a gateway, or its source has `returns=newest`.
        """
        return self._returns.update(self._netgear.send(frame, message=encode(message)))

    def close(self) -> None:
        """Ends the stream."""
        self._netgear.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Client:
    """A NetGear client of a gateway: iterates over frames with their messages, and returns data.

    The client binds; the gateway connects to the address of its `--client`, which `client` names:

        with Client(5567) as client:
            print(client.client)  # tcp://127.0.0.1:5567?pattern=1
            client.return_data = {"gripper": "open"}
            for message, frame in client:
                ...

    The iteration ends when the server ends the stream. The client waits if the gateway is not running.

    :param port: port that the client binds.
    :param address: an address of the client's machine that the gateway can reach.
    :param pattern: 1 (request-reply), 0 (pair), or 2 (publish-subscribe), in which nothing is returned.
    :param options: further options of NetGear. By default `jpeg_compression=False`, which concerns only arrays that the client returns: they arrive exact, in
        any type and shape. With `jpeg_compression=True` they must be BGR pictures.
    """

    def __init__(self, port: int = 5567, address: str = "127.0.0.1", *, pattern: int = 1, protocol: str = "tcp", **options: Any) -> None:
        _refuse(options)
        modes: dict[str, Any] = {"jpeg_compression": False}
        if pattern < 2:
            modes |= {"bidirectional_mode": True, "request_timeout": _A_WEEK}
        self.client: Final = _url("", protocol, address, [port], {"pattern": pattern})
        """The gateway's `--client` for this client, without options of secure mode."""
        self.return_data: Any = None
        """The data that this client returns until it is replaced: any JSON value, or an array. It takes effect with the next frame; `None` keeps the
        previous value."""
        self._has_messages = pattern < 2
        self._has_reported = False
        self._netgear = _netgear()(address=address, port=str(port), protocol=protocol, pattern=pattern, receive_mode=True, **(modes | options))

    def recv(self) -> Received | None:
        """Waits for the next frame. Returns `None` when the stream has ended.

        A message that cannot be decoded, such as one with an array of the wrong size, is left unchanged, and the first one is logged.
        """
        data = self.return_data
        received = self._netgear.recv(return_data=data if isinstance(data, np.ndarray) else encode(data))
        if received is None:
            return None
        return Received(self._decode(received[0]), received[1]) if self._has_messages else Received(None, received)

    def _decode(self, message: Any) -> Any:
        try:
            return decode(message)
        # This also applies without simplejpeg: a publisher of the stream must not end its clients.
        except (ValueError, ImportError) as error:
            if not self._has_reported:
                self._has_reported = True
                _logger.warning("a message cannot be decoded, and is left unchanged: %s", error)
            return message

    def close(self) -> None:
        """Closes the client's socket."""
        self._netgear.close()

    def __iter__(self) -> Iterator[Received]:
        while (received := self.recv()) is not None:
            yield received

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _netgear() -> Any:
    try:
        from vidgear.gears import NetGear
    except ImportError as error:
        raise ImportError("Server and Client require VidGear: pip install 'gearway[netgear]'") from error
    return NetGear


def _refuse(options: Mapping[str, Any]) -> None:
    fixed = sorted(_FIXED & options.keys())
    if fixed:
        raise ValueError(f"{', '.join(fixed)} cannot be set, because Server and Client set the modes themselves; use NetGear and by_port() instead")


def _url(scheme: str, protocol: str, address: str, ports: Sequence[int], query: Mapping[str, Any]) -> str:
    options = "&".join(f"{name}={value}" for name, value in query.items())
    return f"{scheme}{protocol}://{address}:{','.join(map(str, ports))}?{options}"
