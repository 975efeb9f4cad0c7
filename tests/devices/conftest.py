from tests.support.fake_edgetpu import fake_edgetpu, fake_library, one_usb_device  # noqa: F401, fixtures
