import pytest

from edgekit.edgetpu.estimate.estimate import estimate_work
from edgekit.edgetpu.estimate.profiles import HOSTS
from edgekit.edgetpu.estimate.savings import savings
from edgekit.edgetpu.estimate.work import layer_work


def test_savings_name_the_streamed_parameters_and_the_width_that_fits():
    wide = layer_work("FULLY_CONNECTED", (1, 1, 4096), (1, 1, 4096))
    texts = savings(estimate_work({0: wide}, 4096, 4096))
    assert texts[0].startswith("Op 0 is a dense layer of 16.05MiB, more than the chip holds")
    assert "split it into 3 or more" in texts[0]
    assert "0.70 times the width would make them fit" in texts[1]


def test_savings_name_idle_lanes_and_large_outputs():
    idle = layer_work("CONV_2D", (56, 56, 256), (56, 56, 66), kernel=(3, 3))
    (text,) = savings(estimate_work({4: idle}, 1000, 1000))
    assert text == "Op 4 (CONV_2D) has 66 output channels and takes the time of 128: 64 would take less, 128 no more."
    for channels, taken, fewer in ((10, 16, ""), (20, 32, "16 would take less, "), (40, 64, "32 would take less, ")):
        narrow = layer_work("CONV_2D", (112, 112, 256), (112, 112, channels), kernel=(3, 3))
        (text,) = savings(estimate_work({4: narrow}, 1000, 1000))
        assert text.endswith(f"has {channels} output channels and takes the time of {taken}: {fewer}{taken} no more.")
    (text,) = savings(estimate_work({0: layer_work("ADD", (8, 8, 8), (8, 8, 8))}, 100, 1 << 20))
    assert text.startswith("Input and output, 1.00MiB, take 31.2 ms")


def test_the_largest_saving_is_told_first_and_three_layers_at_most():
    sizes = (60, 59, 61, 62)  # even the smallest of four is more than a tenth of the whole
    layers = {number: layer_work("CONV_2D", (n, n, 256), (n, n, 66), kernel=(3, 3)) for number, n in enumerate(sizes)}
    texts = savings(estimate_work(layers, 1000, 1000))
    assert [text.split()[1] for text in texts] == ["3", "2", "0"]


def test_what_saves_less_than_a_tenth_is_not_told():
    work = layer_work("CONV_2D", (56, 56, 64), (56, 56, 64))
    total = estimate_work({0: work}, 0, 0).latency["usb3"].expected
    for share, told in ((0.09, 0), (0.13, 1)):
        sent = int(share * total / HOSTS["usb3"].send_ns * 1e6)
        assert len(savings(estimate_work({0: work}, sent, 0))) == told


@pytest.mark.parametrize(
    ("channels", "told"), [(51, True), (52, False), (64, False), (65, True), (128, False), (32, False)]
)
def test_lanes_count_as_idle_from_a_fifth_on(channels, told):
    idle = layer_work("CONV_2D", (256, 256, 256), (256, 256, channels), kernel=(3, 3))
    assert any("output channels" in text for text in savings(estimate_work({0: idle}, 0, 0))) == told


def test_a_balanced_model_needs_no_advice():
    assert savings(estimate_work({0: layer_work("CONV_2D", (56, 56, 64), (56, 56, 64))}, 1000, 1000)) == ()
