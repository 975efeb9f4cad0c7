from edgekit.edgetpu.placement.words import grouped


def test_up_to_four_places_of_a_kind_are_named_and_more_are_counted():
    assert grouped([("PAD", index) for index in range(4)]) == "PAD (op 0, 1, 2, 3)"
    assert grouped([("PAD", index) for index in range(5)]) == "PAD (op 0, 1, 2, 3, … 5 in all)"
    assert grouped([("PAD", 3), ("MEAN", 5), ("PAD", 7)]) == "PAD (op 3, 7), MEAN (op 5)"
