import codecs
import json

import pytest

from edgekit.errors import DataError
from edgekit.labels import Names, find_names, read_labels
from edgekit.labels.formats import parse_labels, parse_structured


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("cat\ndog\n", ("cat", "dog")),
        ("cat\r\ndog\r\n\r\n", ("cat", "dog")),
        ("\ufeffcat\nHündchen", ("cat", "Hündchen")),
        ("0 Cat\n1 Dog\n", ("Cat", "Dog")),
        ("0: Cat\n1: Big Dog\n", ("Cat", "Big Dog")),
        ("0\tcat\n1\tdog\n", ("cat", "dog")),
        ("1 cat\n2 dog\n", ("cat", "dog")),
        ("1 euro\n2 euro\n", ("1 euro", "2 euro")),
        ("0 cat\n2 dog\n", ("cat", "class 1", "dog")),
        ("2:roses\n0:daisy\n1:dandelion\n", ("daisy", "dandelion", "roses")),
        ("20 mph\n50 kph\n", ("20 mph", "50 kph")),
        ("cat, dog,fish\n", ("cat", "dog", "fish")),
        ("tench, Tinca tinca\ncoho, salmon\n", ("tench, Tinca tinca", "coho, salmon")),
        ("index,label\n1,dog\n0,cat\n", ("cat", "dog")),
        ("label;index\ndog;1\ncat;0\n", ("cat", "dog")),
        ('["cat", "dog"]', ("cat", "dog")),
        ('{"0": "cat", "1": "dog"}', ("cat", "dog")),
        ('{"dog": 1, "cat": 0}', ("cat", "dog")),
        ('{"0": ["n02121808", "cat"], "1": ["n02084071", "dog"]}', ("cat", "dog")),
        ('{"id2label": {"1": "dog", "0": "cat"}, "label2id": {"cat": 0}}', ("cat", "dog")),
        ('[{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}]', ("cat", "dog")),
        ("{'task': 'classify', 'imgsz': [9, 9], 'names': {0: 'cat', 1: \"dog's\"}}", ("cat", "dog's")),
        ("item {\n  id: 2\n  name: 'dog'\n}\nitem {\n  id: 1\n  name: \"cat\"\n}\n", ("cat", "dog")),
        ("item { id: 1 name: '/m/1' display_name: 'Cat' }", ("Cat",)),
        ("[" * 5000, ("[" * 5000,)),
        ("{not a document", ("{not a document",)),
        ("7 up\n", ("7 up",)),
        ("0\n1\n2\n", ("0", "1", "2")),
        ("  cat  \n\nrabbit\n", ("cat", "", "rabbit")),
        ("\n".join(f"{i} c{i}" for i in range(12)), tuple(f"c{i}" for i in range(12))),
        ("0, cat\n1, dog\n", ("cat", "dog")),
        ('0,"tench, Tinca tinca"\n1,"dog"\n', ("tench, Tinca tinca", "dog")),
        ('name,id\n"dog, big",1\ncat,0\n', ("cat", "dog, big")),
        ('"tench, Tinca tinca", dog', ("tench, Tinca tinca", "dog")),
        ("cat;dog;fish", ("cat", "dog", "fish")),
        ("path: data\ntrain: images\n\n# Classes\nnames:\n  0: cat\n  1: traffic light\n", ("cat", "traffic light")),
        ("nc: 2\nnames: ['cat', 'dog']\n", ("cat", "dog")),
        ('names: [cat, "traffic light", dog]\nnc: 3\n', ("cat", "traffic light", "dog")),
        ("names:\n- cat\n- 'dog'\n", ("cat", "dog")),
        ("train: a\nclasses:\n  # animals\n  - cat\n  - dog\nval: b\n", ("cat", "dog")),
        ("0:cat\n0:dog\n2:fish\n", ("0:cat", "0:dog", "2:fish")),
        ("cat," + "x" * 200_000, ("cat," + "x" * 200_000,)),
        ("0000000000 cat\n", ("0000000000 cat",)),
        ("000000000 cat\n", ("cat",)),
    ],
)
def test_reads_the_usual_formats(tmp_path, text, labels):
    path = tmp_path / "labels.txt"
    path.write_bytes(text.encode("utf-8"))
    assert read_labels(path) == labels


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_text_is_read_as_windows_writes_it(tmp_path, encoding):
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    (tmp_path / "labels.txt").write_bytes(mark + "Häher\r\nدب\r\n".encode(encoding))
    assert read_labels(tmp_path / "labels.txt") == ("Häher", "دب")


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xd8\xff\xe0", b"a\0b\n", b"\xff\xfea\0b"])
def test_files_without_labels_are_refused(tmp_path, content):
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(DataError):
        read_labels(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_labels(tmp_path / "none.txt")
    with pytest.raises(DataError, match="Is a directory"):
        read_labels(tmp_path)


@pytest.mark.parametrize("name", ["b0.labels.txt", "labels.txt", "class_names.txt", "classes.txt"])
def test_labels_beside_a_model_are_found(tmp_path, name):
    (tmp_path / name).write_text("cat\ndog\n")
    assert find_names(tmp_path / "b0.tflite", 2) == Names(("cat", "dog"), f"from {name} beside the model")


def test_names_come_from_what_was_given_then_the_model_then_beside_it(tmp_path):
    model = tmp_path / "b0.tflite"
    assert "--labels" in find_names(model, 2).origin
    (tmp_path / "labels.txt").write_text("a\nb\n")
    assert find_names(model, 2).labels == ("a", "b")
    (tmp_path / "b0.labels.txt").write_text("cat\ndog\n")
    assert find_names(model, 2).labels == ("cat", "dog")
    assert find_names(model, 2, ("own", "names")) == Names(("own", "names"), "the model's own")
    (tmp_path / "given.txt").write_text("c\nd\n")
    given = find_names(model, 2, ("own", "names"), given=tmp_path / "given.txt")
    assert given == Names(("c", "d"), "from given.txt")


def test_one_name_for_one_score_is_that_of_its_high_values(tmp_path):
    (tmp_path / "labels.txt").write_text("cat\n")
    assert read_labels(tmp_path / "labels.txt", 1) == ("not cat", "cat")


@pytest.mark.parametrize(("classes", "fits"), [(1, True), (2, True), (3, False)])
def test_two_labels_fit_two_classes_or_one_score(tmp_path, classes, fits):
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    names = find_names(tmp_path / "b0.tflite", classes)
    assert names.labels == (("cat", "dog") if fits else ())
    assert names.notes == (
        () if fits else ("labels.txt beside the model names 2 classes, the model has 3: left alone.",)
    )


def test_names_in_the_model_that_do_not_fit_are_a_note_and_others_are_looked_for(tmp_path):
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    names = find_names(tmp_path / "b0.tflite", 3, ("one", "two"))
    assert names.labels == ("a", "b", "c")
    assert names.notes == ("The model's own label file names 2 classes, the model has 3: left alone.",)


def test_a_list_of_another_length_is_left_alone(tmp_path):
    (tmp_path / "labels.txt").write_text("cat\n")
    assert find_names(tmp_path / "b0.tflite", 2).labels == ()
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    assert find_names(tmp_path / "b0.tflite", 1).labels == ()


def test_unreadable_labels_beside_a_model_are_told(tmp_path):
    assert find_names(tmp_path / "b0.tflite", 2).notes == ()
    (tmp_path / "labels.txt").write_bytes(b"\xff\xd8")
    names = find_names(tmp_path / "b0.tflite", 2)
    assert names.labels == () and "no readable labels" in names.notes[0]


@pytest.mark.parametrize(
    ("text", "classes", "labels"),
    [("background\ncat\ndog\n", 2, ("cat", "dog")), ("background\ncat\ndog\n", 3, ("background", "cat", "dog"))],
)
def test_a_line_for_the_background_is_dropped_where_the_model_has_no_such_output(tmp_path, text, classes, labels):
    (tmp_path / "labels.txt").write_text(text)
    assert read_labels(tmp_path / "labels.txt", classes) == labels


@pytest.mark.parametrize(
    ("text", "classes", "words"),
    [
        ("a\nb\nc\n", 2, "a head"),
        ("a\nb\n", 3, "background"),
        ("a\n", 9, "one name a line"),
        ("a\nb\n", 9, "another model"),
        ("a\n\nb\nc\n", 3, "blank lines"),
        ("a\nb\na\nc\n", 3, "twice"),
        ("\n".join(map("name {}".format, range(1000))), 5, "ImageNet has: give the names of the 5"),
        ("a\nb\nc\n", 1001, "The model has ImageNet's classes"),
        ("\n".join(map("name {}".format, range(998))), 1000, "The model has ImageNet's classes"),
        ("\n".join(map("name {}".format, range(999))), 1000, "write «background»"),
    ],
)
def test_a_count_that_does_not_fit_names_the_likely_cause(tmp_path, text, classes, words):
    (tmp_path / "labels.txt").write_text(text)
    with pytest.raises(DataError, match=f"names .* classes, the model has {classes}") as refusal:
        read_labels(tmp_path / "labels.txt", classes)
    assert words in refusal.value.hint


NUMBERED_FROM_1 = {
    "lines": "1: cat\n2: dog\n3: emu\n",
    "JSON": '{"1": "cat", "2": "dog", "3": "emu"}',
    "indices": '{"cat": 1, "dog": 2, "emu": 3}',
    "pbtxt": "".join(f"item {{ id: {n} name: '{name}' }}\n" for n, name in enumerate(("cat", "dog", "emu"), 1)),
    "CSV": "name,id\ncat,1\ndog,2\nemu,3\n",
}


@pytest.mark.parametrize("text", NUMBERED_FROM_1.values(), ids=NUMBERED_FROM_1)
def test_numbers_from_1_on_stand_after_the_background_where_the_model_has_one(tmp_path, text):
    (tmp_path / "labels.txt").write_text(text)
    assert read_labels(tmp_path / "labels.txt", 3) == read_labels(tmp_path / "labels.txt") == ("cat", "dog", "emu")
    assert read_labels(tmp_path / "labels.txt", 4) == ("background", "cat", "dog", "emu")
    with pytest.raises(DataError, match="names 3 classes, the model has 6"):
        read_labels(tmp_path / "labels.txt", 6)


def test_a_thousand_numbers_for_1001_outputs(tmp_path):
    (tmp_path / "labels.txt").write_text("".join(f"{n} name {n}x\n" for n in range(1, 1001)))
    labels = read_labels(tmp_path / "labels.txt", 1001)
    assert (labels[0], labels[1], labels[1000]) == ("background", "name 1x", "name 1000x")
    assert read_labels(tmp_path / "labels.txt", 1000)[0] == "name 1x"


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("a, b ,c", ("a", "b", "c")),
        ("a,b\nc,d", ("a,b", "c,d")),
        ('{"names": ["a", "b"]}', ("a", "b")),
        ('["a", ["n01", "b"]]', ("a", "b")),
        ('["a", ["n01", "animal", "b"]]', ("a", "b")),
        ('[{"name": "a"}, {"label": "b"}]', ("a", "b")),
        ('{"0": "a", "2": "c"}', ("a", "class 1", "c")),
        ('{"0": "a", "3": "d"}', ("a", "class 1", "class 2", "d")),
        ('{"b": 1, "a": 0}', ("a", "b")),
    ],
)
def test_documents_hold_names_in_the_order_of_the_outputs(text, labels):
    assert parse_labels(text) == labels


@pytest.mark.parametrize("text", ["[]", "[1, 2]", '["a", null]', "{}", '{"0": "a", "9": "b"}', '{"-1": "a", "0": "b"}'])
def test_documents_that_hold_no_names(text):
    assert parse_structured(text) is None


@pytest.mark.parametrize(("depth", "read"), [(2, True), (20, True), (21, False), (5000, False)])
def test_documents_of_up_to_20_brackets_in_one_another_are_read(depth, read):
    """Brackets that close count: many beside one another are not deep."""
    nested = '{"names": ["a", "b"], "more": ' + "[" * (depth - 1) + "]" * (depth - 1) + ', "flat": [{}, {}, {}]}'
    assert (parse_structured(nested) == ("a", "b")) is read


@pytest.mark.parametrize(
    ("last", "names"),
    [(2, ("a", "class 1", "c")), (3, ("a", "class 1", "class 2", "c")), (4, None)],
)
def test_up_to_half_of_numbered_names_may_be_left_out(last, names):
    assert parse_structured(json.dumps({"0": "a", str(last): "c"})) == names


@pytest.mark.parametrize(
    "item", ["item {{ name: '{name}' }}", "item {{ id: {n} }}", "item {{ id: x{n} name: '{name}' }}"]
)
def test_items_without_a_name_or_a_number_are_no_label_map(tmp_path, item):
    lines = [item.format(n=n, name=name) for n, name in enumerate(("cat", "dog"))]
    (tmp_path / "labels.pbtxt").write_text("\n".join(lines))
    assert read_labels(tmp_path / "labels.pbtxt") == tuple(lines)
