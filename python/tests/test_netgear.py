"""The options that Server and Client pass to NetGear, whose modes they set themselves. The project's tests run both against a real gateway."""
from typing import Any

import numpy as np
import pytest

import gearway.netgear
from gearway import Client, Server


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The options of each NetGear that is made."""
    made: list[dict[str, Any]] = []
    monkeypatch.setattr(gearway.netgear, "_netgear", lambda: lambda **options: made.append(options))
    return made


def test_names_the_gateways_source(given: list[dict[str, Any]]) -> None:
    assert Server(5555).source == "netgear:tcp://127.0.0.1:5555?pattern=1"
    assert Server([5577, 5578], "192.168.1.10").source == "netgear:tcp://192.168.1.10:5577,5578?pattern=1&multiclient=true"
    assert Server(5555, "/tmp/feed", protocol="ipc", pattern=2).source == "netgear:ipc:///tmp/feed:5555?pattern=2"
    assert Client(5567, "192.168.1.31").client == "tcp://192.168.1.31:5567?pattern=1"
    assert [each["port"] for each in given] == ["5555", ["5577", "5578"], "5555", "5567"]


@pytest.mark.parametrize("pattern", [0, 1])
def test_never_gives_up(given: list[dict[str, Any]], pattern: int) -> None:
    Server(pattern=pattern)
    Client(pattern=pattern)
    assert given[0]["max_retries"] > 1_000_000
    # Three times this value in milliseconds must fit into 32 bits.
    assert 100_000 < given[1]["request_timeout"] < 2**31 / 3000
    assert [each["bidirectional_mode"] for each in given] == [True, True]


def test_returns_nothing_in_publish_subscribe(given: list[dict[str, Any]]) -> None:
    Server(pattern=2)
    Client(pattern=2)
    assert not any({"bidirectional_mode", "max_retries", "request_timeout"} & each.keys() for each in given)


def test_passes_options_on(given: list[dict[str, Any]]) -> None:
    Server(jpeg_compression=False, request_timeout=20)
    Client(jpeg_compression=True)
    assert given[0]["request_timeout"] == 20
    assert [each["jpeg_compression"] for each in given] == [False, True]


@pytest.mark.parametrize("option", ["multiclient_mode", "multiserver_mode", "receive_mode", "bidirectional_mode"])
@pytest.mark.parametrize("kind", [Server, Client])
def test_refuses_the_modes(given: list[dict[str, Any]], kind: Any, option: str) -> None:
    with pytest.raises(ValueError, match=option):
        kind(**{option: True})
    assert given == []


def test_refuses_no_port() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Server([])


def test_survives_messages_that_cannot_be_decoded(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    frame = np.zeros((2, 2), np.uint8)
    malformed: list[Any] = [{"$ndarray": {"x": 1}}, {"$ndarray": {"jpeg": "AAAA"}}, {"$ndarray": {"dtype": "uint8", "shape": [9], "data": ""}}]
    messages = iter([*malformed, {"$ndarray": {"dtype": "uint8", "shape": [1], "data": "BQ=="}}])

    class NetGear:
        def __init__(self, **_options: Any) -> None:
            pass

        def recv(self, return_data: Any) -> Any:
            message = next(messages, None)
            return None if message is None else (message, frame)

    monkeypatch.setattr(gearway.netgear, "_netgear", lambda: NetGear)
    received = [message for message, _ in Client()]
    assert received[:3] == malformed
    assert received[3].tolist() == [5]
    assert len(caplog.records) == 1
