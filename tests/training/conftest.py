"""A tiny base and images of three colours, which it can tell apart once it is taught their names."""

import pytest

from tests.support.float_nets import bottleneck_net, save_images


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    path = tmp_path_factory.mktemp("base") / "base.tflite"
    path.write_bytes(bottleneck_net())
    return path


@pytest.fixture(scope="session")
def colours(tmp_path_factory):
    """A folder of 20 images of each of three colours; not to be changed."""
    return save_images(tmp_path_factory.mktemp("colours") / "colours")
