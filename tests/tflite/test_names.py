from edgekit.tflite import names


def test_the_scaled_factor_of_a_split_swish_is_known_by_its_name():
    assert names.is_scaled_swish(names.split_swish(12, "scaled"))
    others = (
        names.split_swish(12, "weights"),
        "edgekit/swish/scaled",
        "a/edgekit/swish1/scaled",
        "edgekit/swish1/scaledx",
    )
    assert not any(map(names.is_scaled_swish, others))


def test_what_the_quantizer_appends_is_taken_off():
    assert names.float_name("conv/bias_duplicated_3") == "conv/bias"
    assert names.float_name("conv_duplicated_3/bias") == "conv_duplicated_3/bias"
    assert names.requantized_from("mul_quantized") == "mul"
    assert names.requantized_from("mul_quantized/x") == "mul_quantized/x"


def test_names_become_unique_and_none_stays_empty():
    assert names.unique(["a", "b", "a", "", "a", ""]) == ["a", "b", "a#2", "#1", "a#3", "#2"]


def test_weights_once_in_float_are_told_from_those_they_were_made_from():
    assert names.in_float("conv/weights") == "conv/weights/float"
