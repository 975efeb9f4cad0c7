"""SavedModels of strangers: what would do more than compute is refused by name, before anything of it is run."""

import numpy as np
import pytest

from edgekit.converters.sources.open import load_source
from edgekit.errors import UnsafeModelError, UnsupportedModelError

IMAGE = np.zeros((1, 8, 8, 3), np.float32)


@pytest.fixture(scope="module")
def tf(keras2):
    return pytest.importorskip("tensorflow")


@pytest.fixture
def target(tmp_path):
    """A file that must never come to be, or be read: it does not exist."""
    return tmp_path / "target"


def saved(tf, folder, effect, prepare=lambda module: None):
    """A SavedModel of a classifier that also does something else."""

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 8, 8, 3), tf.float32, name="image")])
        def serve(self, images):
            scores = tf.reduce_mean(images, (1, 2)) @ self.weight
            with tf.control_dependencies([done for done in tf.nest.flatten(effect(self, scores)) if done is not None]):
                return tf.identity(scores)

    module = Module()
    module.weight = tf.Variable(tf.ones((3, 2)))
    prepare(module)
    tf.saved_model.save(module, str(folder), signatures=module.serve)
    return folder


def prints(tf, target):
    return [tf.raw_ops.PrintV2(input=tf.constant("text"), output_stream=f"file://{target}")]


def _summary(tf, target):
    writer = tf.raw_ops.SummaryWriter()
    made = tf.raw_ops.CreateSummaryFileWriter(
        writer=writer, logdir=str(target), max_queue=1, flush_millis=1, filename_suffix="x"
    )
    return [made]


def _reader(tf, target):
    reader = tf.raw_ops.TextLineReaderV2()
    queue = tf.raw_ops.FIFOQueueV2(component_types=[tf.string])
    with tf.control_dependencies([tf.raw_ops.QueueEnqueueV2(handle=queue, components=[[str(target)]])]):
        return list(tf.raw_ops.ReaderReadV2(reader_handle=reader, queue_handle=queue))


def _datasets(tf, target):
    data = tf.raw_ops.TextLineDataset(filenames=[str(target)], compression_type="", buffer_size=0)
    iterator = tf.raw_ops.AnonymousIteratorV2(output_types=[tf.string], output_shapes=[()])
    return [tf.raw_ops.MakeIterator(dataset=data, iterator=iterator.handle)]


EFFECTS = {
    "PrintV2": prints,
    "SaveV2": lambda tf, target: [
        tf.raw_ops.SaveV2(prefix=str(target), tensor_names=["a"], shape_and_slices=[""], tensors=[tf.constant("x")])
    ],
    "WriteFile": lambda tf, target: [tf.io.write_file(str(target), "x")],
    "ReadFile": lambda tf, target: [tf.io.read_file(str(target))],
    "MatchingFiles": lambda tf, target: [tf.io.matching_files(str(target))],
    "RestoreV2": lambda tf, target: tf.raw_ops.RestoreV2(
        prefix=str(target), tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32]
    ),
    "ImmutableConst": lambda tf, target: [
        tf.raw_ops.ImmutableConst(dtype=tf.float32, shape=[1], memory_region_name=str(target))
    ],
    "CreateSummaryFileWriter": _summary,
    "TextLineReaderV2": _reader,
    "TextLineDataset": _datasets,
    "EagerPyFunc": lambda tf, target: [tf.py_function(lambda: 1.0, [], tf.float32)],
    "Abort": lambda tf, target: [tf.raw_ops.Abort(error_msg="end", exit_without_error=True)],
}


@pytest.mark.parametrize("operation", EFFECTS)
def test_what_reaches_out_is_refused_by_name(tf, tmp_path, target, operation):
    folder = saved(tf, tmp_path / "m", lambda module, scores: EFFECTS[operation](tf, target))
    with pytest.raises(UnsafeModelError, match=operation) as caught:
        load_source(folder)
    assert "--trust" in caught.value.hint
    assert not list(tmp_path.glob("target*"))


def test_a_variable_may_be_read_and_not_written(tf, tmp_path):
    with pytest.raises(UnsafeModelError, match="AssignAddVariableOp"):
        load_source(
            saved(tf, tmp_path / "m", lambda m, scores: [m.weight.assign_add(tf.ones((3, 2)), read_value=False)])
        )


def test_calls_loops_and_branches_are_followed(tf, tmp_path, target):
    def inner():
        prints(tf, target)
        return tf.constant(0.0)

    always = tf.function(inner)
    hidden = {
        "call": lambda module, scores: [tf.function(lambda: always() + 1)()],
        "branch": lambda module, scores: [tf.cond(scores[0, 0] > 1e30, always, lambda: 1.0)],
        "loop": lambda module, scores: [tf.while_loop(lambda x: x < 1.0, lambda x: always() + 1, [scores[0, 0]])],
        "case": lambda module, scores: [tf.switch_case(tf.cast(scores[0, 0], tf.int32), [always, lambda: 1.0])],
        "map": lambda module, scores: [tf.map_fn(lambda x: always() + x, scores[:, 0])],
    }
    for name, effect in hidden.items():
        with pytest.raises(UnsafeModelError, match="PrintV2"):
            load_source(saved(tf, tmp_path / name, effect))
    assert not target.exists()


def edited(folder, change):
    """The SavedModel with its message changed."""
    from tensorflow.core.protobuf import saved_model_pb2

    file = folder / "saved_model.pb"
    message = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    change(message.meta_graphs[0])
    file.write_bytes(message.SerializeToString())
    return folder


def _with_two_functions(tf, target):
    """A module with a function that is called, and one of the same kind that prints and is not."""

    @tf.function(input_signature=[tf.TensorSpec((), tf.float32)])
    def harmless(value):
        return value + 1

    @tf.function(input_signature=[tf.TensorSpec((), tf.float32)])
    def harmful(value):
        prints(tf, target)
        return value + 2

    def prepare(module):
        module.harmful = harmful

    return (lambda module, scores: [harmless(scores[0, 0])]), prepare


def test_what_is_not_reached_may_have_any_state(tf, tmp_path, target):
    effect, prepare = _with_two_functions(tf, target)
    assert load_source(saved(tf, tmp_path / "m", effect, prepare)).classes == 2
    assert not target.exists()


def test_functions_that_may_be_exchanged_are_followed(tf, tmp_path, target):
    """TensorFlow replaces a function by another with the same `api_implements` where that suits the device."""

    def change(meta_graph):
        for function in meta_graph.graph_def.library.function:
            if "harm" in function.signature.name:
                function.attr["api_implements"].s = b"scaling"

    effect, prepare = _with_two_functions(tf, target)
    with pytest.raises(UnsafeModelError, match="PrintV2"):
        load_source(edited(saved(tf, tmp_path / "m", effect, prepare), change))


def test_a_function_named_like_an_operation_hides_nothing(tf, tmp_path, target):
    def change(meta_graph):
        for function in meta_graph.graph_def.library.function:
            if "harmful" in function.signature.name:
                function.signature.name = "MatMul"

    effect, prepare = _with_two_functions(tf, target)
    with pytest.raises(UnsafeModelError, match="PrintV2"):
        load_source(edited(saved(tf, tmp_path / "m", effect, prepare), change))


def test_files_are_not_read_while_a_graph_is_read(tf, tmp_path, target):
    """TensorFlow computes shapes from constants as it loads, also in functions that nothing calls."""
    target.write_bytes(np.array([-1, 192], np.int32).tobytes())

    @tf.function(input_signature=[tf.TensorSpec((None, 8, 8, 3), tf.float32)])
    def never(images):
        return tf.reshape(images, tf.io.decode_raw(tf.io.read_file(str(target)), tf.int32))

    folder = saved(tf, tmp_path / "m", lambda module, scores: [], lambda module: setattr(module, "never", never))
    with pytest.raises(UnsafeModelError, match="ReadFile"):
        load_source(folder)


def test_tables_that_fill_themselves_from_files_are_refused(tf, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("a\nb\n")

    def prepare(module):
        initial = tf.lookup.TextFileInitializer(str(names), tf.int64, -1, tf.string, -2)
        module.table = tf.lookup.StaticHashTable(initial, "none")

    with pytest.raises(UnsafeModelError, match=r"HashTableV2.*InitializeTableFromTextFileV2"):
        load_source(saved(tf, tmp_path / "m", lambda module, scores: [], prepare))


def test_an_operation_of_another_package_is_named(tf, tmp_path):
    def change(meta_graph):
        for function in meta_graph.graph_def.library.function:
            for node in function.node_def:
                if node.op == "Mean":
                    node.op = "SentencepieceMean"

    folder = edited(saved(tf, tmp_path / "m", lambda module, scores: []), change)
    with pytest.raises(UnsupportedModelError, match="SentencepieceMean"):
        load_source(folder)


def old(tf, folder, *, init=None, filename=None):
    """A SavedModel as TensorFlow 1 wrote them: no objects, a saver's own operations, an initializer."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        images = v1.placeholder(tf.float32, (None, 8, 8, 3), "image")
        weight = v1.get_variable("weight", initializer=np.ones((3, 2), np.float32), use_resource=False)
        training = v1.placeholder_with_default(False, ())
        scores = tf.reduce_mean(images, (1, 2)) @ weight
        scores = v1.cond(training, lambda: v1.nn.dropout(scores, rate=0.5), lambda: scores)
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(folder))
        signature = v1.saved_model.predict_signature_def({"image": images}, {"scores": scores})
        builder.add_meta_graph_and_variables(
            session, ["serve"], {"serving_default": signature}, main_op=v1.group(*init()) if init else None
        )
        builder.save()

    def elsewhere(meta_graph):
        for node in meta_graph.graph_def.node:
            if node.op == "RestoreV2":
                node.input[0] = "elsewhere"
        meta_graph.graph_def.node.add(name="elsewhere", op="Const").attr["dtype"].type = tf.string.as_datatype_enum
        meta_graph.graph_def.node[-1].attr["value"].tensor.CopyFrom(tf.make_tensor_proto(filename))

    return edited(folder, elsewhere) if filename else folder


def test_savedmodels_of_tensorflow_1_open_and_may_not_reach_out(tf, tmp_path, target):
    source = load_source(old(tf, tmp_path / "plain"))
    np.testing.assert_allclose(source.predict(IMAGE + 1), [[3, 3]])
    with pytest.raises(UnsafeModelError, match="PrintV2"):
        load_source(old(tf, tmp_path / "initializer", init=lambda: prints(tf, target)))
    with pytest.raises(UnsafeModelError, match="RestoreV2"):
        load_source(old(tf, tmp_path / "elsewhere", filename=str(target)))
    assert not target.exists()


def test_what_only_computes_opens(tf, tmp_path):
    """Loops, branches, random numbers and checks, as preprocessing in exported models has them."""

    def work(module, scores):
        tf.debugging.assert_greater(tf.shape(scores)[0], 0)
        doubled = tf.map_fn(lambda row: row * 2, scores)
        return [tf.cond(scores[0, 0] > 1e30, lambda: tf.random.uniform(()), lambda: doubled[0, 0])]

    source = load_source(saved(tf, tmp_path / "m", work))
    np.testing.assert_allclose(source.predict(IMAGE + 1), [[3, 3]])


def test_trust_opens_what_was_refused(tf, tmp_path, target):
    folder = saved(tf, tmp_path / "m", lambda module, scores: prints(tf, target))
    assert load_source(folder, trust=True).classes == 2
