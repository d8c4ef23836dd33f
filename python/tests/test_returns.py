"""Return data by port, in the format of NetGear in each mode."""
import logging
from typing import Any

import numpy as np
import pytest

from gearway import Returns, by_port, encode


def test_reads_the_data_of_all_clients() -> None:
    returned = by_port({"5567": {"speed": 1}, "6000": None, "6001": encode(np.arange(3))})
    assert list(returned) == [5567, 6000, 6001]
    assert returned[5567] == {"speed": 1}
    assert returned[6000] is None
    assert returned[6001].tolist() == [0, 1, 2]


def test_keeps_the_latest_of_each_client_in_multi_clients_mode() -> None:
    returns = Returns()
    assert returns.update(("5577", "first")) == {5577: "first"}
    assert returns.update(("5578", None)) == {5577: "first", 5578: None}
    assert returns.update(("5577", "second")) == {5577: "second", 5578: None}
    assert returns.update(None) == {5577: None, 5578: None}
    assert returns.update(("5577", "third")) == {5577: "third", 5578: None}


def test_accepts_an_array_of_a_client_in_multi_clients_mode() -> None:
    array = np.ones((2, 2))
    assert by_port(("5577", array))[5577] is array


def test_forgets_a_client_that_has_left() -> None:
    returns = Returns()
    returns.update({"6000": encode(np.arange(3)), "6001": 1})
    assert returns.update({"6001": 1}) == {6001: 1}


def test_has_nothing_before_the_gateway_answers() -> None:
    assert by_port(None) == {}
    assert by_port({}) == {}


def test_decodes_an_array_again_only_when_it_has_changed() -> None:
    returns = Returns()
    first = returns.update({"6000": encode(np.arange(3))})[6000]
    assert returns.update({"6000": encode(np.arange(3))})[6000] is first
    changed = returns.update({"6000": encode(np.arange(4))})[6000]
    assert changed.tolist() == [0, 1, 2, 3]
    assert returns.update({"6000": 1})[6000] == 1
    assert returns.update({"6000": encode(np.arange(4))})[6000] is not changed


@pytest.mark.parametrize(("before", "after"), [(1, True), (1, 1.0), ("1", 1), ([1], [True]), ({"a": 1}, {"a": 1.0})])
def test_distinguishes_equal_values_of_other_types(before: Any, after: Any) -> None:
    returns = Returns()
    array = encode(np.arange(3))
    returns.update({"6000": {"array": array, "value": before}})
    value = returns.update({"6000": {"array": array, "value": after}})[6000]["value"]
    assert repr(value) == repr(after)


def test_leaves_a_malformed_array_unchanged_and_logs_it_once(caplog: pytest.LogCaptureFixture) -> None:
    returns = Returns()
    malformed = {"$ndarray": {"dtype": "O", "shape": [1], "data": "AAAAAAAAAAA="}}
    with caplog.at_level(logging.WARNING, "gearway"):
        for _ in range(3):
            assert returns.update({"6000": malformed, "6001": encode(np.arange(2))})[6000] == malformed
        returns.update({"6000": {"$ndarray": {"jpeg": "AAAA"}}})
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == [6000]


def test_survives_deep_nesting_by_a_hostile_client() -> None:
    value: Any = {"$ndarray": {"jpeg": "AAAA"}}
    for _ in range(5000):
        value = [value]
    assert by_port({"6000": value})[6000] is value


@pytest.mark.parametrize("returned", ["text", 3, [1], {"speed": 1}, ("a", 1), {None: 1}])
def test_refuses_data_that_is_not_by_port(returned: Any) -> None:
    with pytest.raises(ValueError, match="returns=newest"):
        by_port(returned)
