"""Device strings, and what the Edge TPU's delegate is told of them."""

import pytest

from edgekit.devices.request import Request, parse_device
from edgekit.errors import UsageError


@pytest.mark.parametrize(
    ("text", "options"),
    [  # libedgetpu's own grammar of its option `device`: usb, usb:<n>, pci, pci:<n>, :<n>; none for any
        ("edgetpu", {}),
        ("usb", {"device": "usb"}),
        ("usb:1", {"device": "usb:1"}),
        ("pci:0", {"device": "pci:0"}),
        (":0", {"device": ":0"}),
        ("auto", {}),
        ("cpu", {}),
        ("emulated:usb3", {}),
    ],
)
def test_the_delegate_is_told_of_one_edge_tpu_only_where_one_is_named(text, options):
    assert parse_device(text).options == options


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("cpu", Request("cpu", "cpu")),
        ("usb", Request("usb", "edgetpu", "usb")),
        ("usb:1", Request("usb:1", "edgetpu", "usb", 1)),
        (":0", Request(":0", "edgetpu", None, 0)),
        ("emulated", Request("emulated", "emulated")),
        ("emulated:pi4", Request("emulated:pi4", "emulated", host="pi4")),
    ],
)
def test_a_device_is_taken_apart(text, request_):
    assert parse_device(text) == request_


@pytest.mark.parametrize("text", ["", "gpu", "usb1", "usb:", "usb:1234", "cpu:0", "USB", "edgetpu:0"])
def test_what_follows_no_form_is_refused(text):
    with pytest.raises(UsageError, match="There is no device"):
        parse_device(text)
