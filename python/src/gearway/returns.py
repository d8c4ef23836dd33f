"""Return data of all clients of a stream, by port."""
from __future__ import annotations

import logging
from typing import Any

from .values import TAG, decode

_logger = logging.getLogger("gearway")


def by_port(returned: Any) -> dict[int, Any]:
    """Decodes the result of `NetGear.send()`, by port; `None` for a port that has returned nothing.

    Accepts the dict of a `netgear:` source of the gateway, the `(port, value)` of a server in multi-clients mode, and `None`, which NetGear returns when
    the gateway has not answered in time. A value that cannot be decoded, such as an array of the wrong size, is left unchanged, and logged. Raises
    `ValueError` for anything else: there is no gateway, or its source has `returns=newest`.

    With a sticky array, `Returns` saves decoding it again for each frame.
    """
    return Returns().update(returned)


class Returns:
    """Decodes the return data of one server, frame by frame. An array that has not changed is not decoded again."""

    def __init__(self) -> None:
        self._values: dict[int, Any] = {}
        self._kept: dict[int, tuple[Any, Any]] = {}
        self._reported: set[int] = set()

    def update(self, returned: Any) -> dict[int, Any]:
        """Decodes the result of one `NetGear.send()`, like `by_port()`.

        A server in multi-clients mode gets the data of its clients in turn; the result contains the latest data of each. With `None`, all values are `None`: a robot must not continue with its last command while the gateway is unavailable.
        """
        if returned is None:
            # The gateway has not answered: previous data is no longer valid.
            self._values = dict.fromkeys(self._values)
            return dict(self._values)
        if isinstance(returned, tuple) and len(returned) == 2:
            port = _port(returned[0])
            self._values[port] = self._value(port, returned[1])
            return dict(self._values)
        if not isinstance(returned, dict):
            raise ValueError(f"return data is {type(returned).__name__}, {_EXPECTED}")
        raw = {_port(key): value for key, value in returned.items()}
        self._kept = {port: kept for port, kept in self._kept.items() if port in raw}
        self._values = {port: self._value(port, value) for port, value in raw.items()}
        return dict(self._values)

    def _value(self, port: int, raw: Any) -> Any:
        if not _has_array(raw):
            self._kept.pop(port, None)
            return raw
        kept = self._kept.get(port)
        if kept is not None and _is_same(kept[0], raw):
            return kept[1]
        try:
            value = decode(raw)
        # This also applies without simplejpeg: a viewer that returns a picture must not end the server.
        except (ValueError, ImportError) as error:
            value = raw
            if port not in self._reported:
                self._reported.add(port)
                _logger.warning("return data of port %d cannot be decoded, and is left unchanged: %s", port, error)
        self._kept[port] = (raw, value)
        return value


_EXPECTED = "expected a dict by port: use a gateway, and no returns=newest in its source"


def _port(key: Any) -> int:
    try:
        return int(key)
    except (TypeError, ValueError):
        raise ValueError(f"return data has the key {key!r}, {_EXPECTED}") from None


def _has_array(value: Any) -> bool:
    """Does not use recursion, because a client may nest its value deeply."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            if TAG in each:
                return True
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
    return False


def _is_same(first: Any, second: Any) -> bool:
    """Like `==`, except that 1, 1.0 and True differ. Compared values have at most as many levels as JSON that Python has parsed."""
    if type(first) is not type(second):
        return False
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_is_same(each, second[key]) for key, each in first.items())
    if isinstance(first, list):
        return len(first) == len(second) and all(map(_is_same, first, second))
    return bool(first == second)
