from tests.devices.conftest import _fake_library, fake_edgetpu, one_usb_device  # noqa: F401, fixtures
