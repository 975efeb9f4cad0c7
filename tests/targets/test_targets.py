from edgekit.targets import PRECISIONS, TARGETS


def test_every_target_takes_int8_and_says_who_opens_it():
    for name, target in TARGETS.items():
        assert target.name == name and target.precisions[0] == "int8" and target.opens
        assert set(target.precisions) <= set(PRECISIONS)


def test_the_edge_tpu_takes_full_int8_alone():
    assert (TARGETS["edgetpu"].precisions, TARGETS["edgetpu"].float_islands) == (("int8",), False)
    assert TARGETS["edgetpu"].precision("float16") == "int8" and TARGETS["cpu"].precision("float16") == "float16"
