import ctypes

import numpy as np
import pytest

from edgekit.devices import discovery
from edgekit.pycoral import delegate
from edgekit.pycoral import interpreter as runtime
from edgekit.pycoral.utils import edgetpu
from tests.support.build import GraphBuilder, colour_classifier
from tests.support.hostile import split_inside_a_branch
from tests.support.pairs import images, twin, write_pair, write_segments
from tests.support.recordings import custom_options, typical_package


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch):
    monkeypatch.delenv(delegate.VARIABLE, raising=False)
    delegate.say_once.cache_clear()


@pytest.fixture
def no_device(tmp_path, monkeypatch):
    monkeypatch.setattr(discovery, "ROOT", tmp_path / "bare machine")


def answer(interpreter, image):
    interpreter.allocate_tensors()
    edgetpu.run_inference(interpreter, image.reshape(-1))
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_a_model_that_would_end_the_process_is_refused(tmp_path, no_device):
    path = tmp_path / "evil.tflite"
    path.write_bytes(split_inside_a_branch())
    with pytest.raises(ValueError, match=r"evil\.tflite ends the process that runs it"):
        edgetpu.make_interpreter(str(path))
    with pytest.raises(ValueError, match="ends the process that runs it"):
        runtime.Interpreter(model_content=path.read_bytes())


def test_the_cpu_twin_serves_and_says_so_once(tmp_path, no_device, capfd):
    path = str(write_pair(tmp_path))
    image = images(1)[0]
    expected = answer(edgetpu.make_interpreter(twin()), image)
    for loaded in (None, edgetpu.load_edgetpu_delegate()):
        got = answer(edgetpu.make_interpreter(path, device=":0", delegate=loaded), image)
        np.testing.assert_array_equal(got, expected)
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("edgekit")]
    assert said == [f"edgekit: no Edge TPU is attached: {tmp_path / 'net.tflite'} runs on the CPU in place of {path}."]


@pytest.mark.parametrize("emulate", ["argument", "environment"])
def test_the_emulated_edge_tpu_computes_the_compiled_file(tmp_path, no_device, monkeypatch, emulate, capfd):
    if emulate == "environment":
        monkeypatch.setenv(delegate.VARIABLE, "emulated")
    interpreter = edgetpu.make_interpreter(
        str(write_pair(tmp_path, "apart")), device="emulated" if emulate == "argument" else "usb:0"
    )
    image = images(1)[0]
    np.testing.assert_array_equal(
        answer(interpreter, image), answer(edgetpu.make_interpreter(twin(), device="cpu"), image)
    )
    assert "no hardware is involved" in capfd.readouterr().err


def test_a_plain_model_runs_and_nothing_is_said(no_device, capfd):
    answer(edgetpu.make_interpreter(twin()), images(1)[0])
    assert "edgekit" not in capfd.readouterr().err


def test_the_library_computes_where_a_device_is_attached(fake_edgetpu, one_usb_device, tmp_path):
    fake_edgetpu()
    interpreter = edgetpu.make_interpreter(str(write_pair(tmp_path)), device="usb:0")
    image = images(1)[0]
    assert answer(interpreter, image).tolist() == [[1, 1, 1]] and answer(interpreter, image).tolist() == [[2, 2, 2]]


def test_a_program_may_bring_its_own_library(fake_edgetpu, one_usb_device, tmp_path, monkeypatch):
    library = str(fake_edgetpu())
    monkeypatch.delenv("EDGEKIT_LIBEDGETPU")
    loaded = runtime.load_delegate(library, {"device": "usb:0"})
    interpreter = runtime.Interpreter(str(write_pair(tmp_path)), experimental_delegates=[loaded])
    assert answer(interpreter, images(1)[0]).tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("mode", ["no-device", "crash-at-open"])
def test_a_device_that_fails_is_an_error_and_no_reason_to_fall_back(fake_edgetpu, one_usb_device, tmp_path, mode):
    library = fake_edgetpu(mode)
    with pytest.raises(ValueError, match=f"Failed to load delegate from {library}"):
        edgetpu.make_interpreter(str(write_pair(tmp_path)))


@pytest.mark.parametrize("device", ["foo", "usb:x", "usb:-1", ":", "USB"])
def test_a_device_of_no_known_form_is_refused(no_device, device):
    with pytest.raises(ValueError, match="Failed to load delegate from libedgetpu"):
        edgetpu.make_interpreter(twin(), device=device)


def test_without_its_twin_a_compiled_model_is_refused_with_the_file_to_bring(tmp_path, no_device):
    path = write_pair(tmp_path)
    (tmp_path / "net.tflite").unlink()
    with pytest.raises(ValueError, match=r"usually net\.tflite"):
        edgetpu.make_interpreter(str(path))
    with pytest.raises(ValueError, match="Open the uncompiled file"):
        edgetpu.make_interpreter(path.read_bytes())


@pytest.mark.parametrize("content", [b"", b"TFL3" * 20, colour_classifier()[:200]])
def test_what_is_no_model_is_a_value_error(tmp_path, no_device, content):
    (tmp_path / "x.tflite").write_bytes(content)
    for model in (content, str(tmp_path / "x.tflite")):
        with pytest.raises(ValueError, match=r"empty or truncated|not a \.tflite|damaged"):
            edgetpu.make_interpreter(model)


def test_a_missing_model_is_named(no_device):
    with pytest.raises(ValueError, match=r"Could not open 'invalid_model_path\.tflite'\."):
        edgetpu.make_interpreter("invalid_model_path.tflite")
    with pytest.raises(ValueError, match="must be specified"):
        runtime.Interpreter()


def test_outputs_keep_the_compiled_models_order(tmp_path, no_device):
    def write(name, make, ends):
        graph = GraphBuilder()
        x = graph.input((1, 2), "uint8", quant=(1.0, 0), name="x")
        found = make(graph, x)
        (tmp_path / name).write_bytes(graph.finish([found[end] for end in ends]))

    def plain(graph, x):
        more = graph.constant(np.array([[5, 6]], np.uint8), quant=(1.0, 0))
        return {
            "sum": graph.op("ADD", [x, more], (1, 2), "uint8", quant=(1.0, 0), options={}, name="sum"),
            "rest": graph.op("SUB", [more, x], (1, 2), "uint8", quant=(1.0, 0), options={}, name="rest"),
        }

    def custom(graph, x):
        ends = {name: graph.tensor((1, 2), "uint8", quant=(1.0, 0), name=name) for name in ("sum", "rest")}
        package = custom_options(typical_package())
        graph.raw_op("CUSTOM:edgetpu-custom-op", [x], list(ends.values()), options=package)
        return ends

    write("net.tflite", plain, ("sum", "rest"))
    write("net_edgetpu.tflite", custom, ("rest", "sum"))
    interpreter = edgetpu.make_interpreter(str(tmp_path / "net_edgetpu.tflite"))
    interpreter.allocate_tensors()
    edgetpu.run_inference(interpreter, b"\x01\x09")
    details = interpreter.get_output_details()
    assert [tensor["name"] for tensor in details] == ["rest", "sum"]
    assert [interpreter.get_tensor(tensor["index"]).tolist() for tensor in details] == [[[4, 0]], [[6, 15]]]


def test_a_segment_is_served_by_its_part_of_the_whole_model(tmp_path, no_device):
    (tmp_path / "net.tflite").write_bytes(twin())
    middle, end = (edgetpu.make_interpreter(path) for path in write_segments(tmp_path))
    image = images(1)[0]
    between = answer(middle, image)
    np.testing.assert_array_equal(answer(end, between), answer(edgetpu.make_interpreter(twin()), image))


def test_a_segment_without_its_whole_model_or_with_another_one_is_refused(tmp_path, no_device):
    path, _ = write_segments(tmp_path)
    with pytest.raises(ValueError, match=r"one segment of a pipeline.* usually net\.tflite"):
        edgetpu.make_interpreter(path)
    (tmp_path / "net.tflite").write_bytes(colour_classifier())
    with pytest.raises(ValueError, match="has no tensor 'image'"):
        edgetpu.make_interpreter(path)


def test_every_kind_of_input_gives_the_same_answer(no_device):
    interpreter = edgetpu.make_interpreter(twin())
    interpreter.allocate_tensors()
    image = images(1)[0].reshape(-1)
    longer = np.concatenate([image, [1, 2, 3]]).astype(np.uint8)
    address = image.ctypes.data_as(ctypes.c_void_p)
    handle, index = interpreter._native_handle(), interpreter.get_output_details()[0]["index"]

    class GstBuffer:
        def get_size(self):
            return image.size

        def extract_dup(self, offset, size):
            return image.tobytes()[offset : offset + size]

    answers = []
    spread = np.repeat(image, 2)[::2]
    for data in (image, image.tobytes(), longer, (address, image.size), GstBuffer(), spread):
        edgetpu.run_inference(interpreter, data)
        answers.append(interpreter.get_tensor(index))
    edgetpu.invoke_with_bytes(handle, longer.tobytes())
    answers.append(interpreter.get_tensor(index))
    edgetpu.invoke_with_membuffer(handle, image.ctypes.data, image.size)
    answers.append(interpreter.get_tensor(index))
    assert len({found.tobytes() for found in answers}) == 1 and answers[0].std() > 0


def test_float_and_int8_inputs(no_device):
    for dtype in ("float32", "int8"):
        interpreter = edgetpu.make_interpreter(colour_classifier(dtype))
        interpreter.allocate_tensors()
        data = np.zeros((8, 8, 3), dtype)
        data[..., 2] = 7
        edgetpu.run_inference(interpreter, data.reshape(-1))
        assert interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).argmax() == 2


@pytest.mark.parametrize("data", [np.zeros(191, np.uint8), bytes(191), (ctypes.c_void_p(1), 191)])
def test_too_little_input_is_a_value_error(no_device, data):
    interpreter = edgetpu.make_interpreter(twin())
    interpreter.allocate_tensors()
    with pytest.raises(ValueError, match="input size=191, expected=192"):
        edgetpu.run_inference(interpreter, data)


@pytest.mark.parametrize("data", [None, [0] * 192, "x" * 192, np.zeros(192), np.zeros(192, np.int64), (1, 192)])
def test_other_types_of_input_are_a_type_error(no_device, data):
    interpreter = edgetpu.make_interpreter(twin())
    interpreter.allocate_tensors()
    with pytest.raises(TypeError, match="input data type is not supported"):
        edgetpu.run_inference(interpreter, data)


def test_handles(no_device):
    interpreter = edgetpu.make_interpreter(twin())
    handle = interpreter._native_handle()
    with pytest.raises(RuntimeError, match=r"Invoke called on model that is not ready\."):
        edgetpu.invoke_with_bytes(handle, bytes(192))
    interpreter.allocate_tensors()
    with pytest.raises(RuntimeError, match=r"Input buffer \(191\) has fewer entries than model input tensor \(192\)\."):
        edgetpu.invoke_with_bytes(handle, bytes(191))
    with pytest.raises(RuntimeError, match=r"Input buffer \(1\) has fewer"):
        edgetpu.invoke_with_membuffer(handle, 0, 1)
    with pytest.raises(RuntimeError, match="takes none"):
        edgetpu.invoke_with_dmabuffer(handle, 3, 192)
    assert edgetpu.supports_dmabuf(handle) is False
    with pytest.raises(RuntimeError, match="belongs to no interpreter"):
        edgetpu.invoke_with_bytes(1, bytes(192))


def test_devices_and_library_without_either(no_device, monkeypatch):
    monkeypatch.setenv("EDGEKIT_LIBEDGETPU", "libnone.so.9")
    assert edgetpu.list_edge_tpus() == []
    assert edgetpu.get_runtime_version() == "libnone.so.9 is not installed; models run on the CPU"
    assert edgetpu.set_verbosity(10) is False


def test_devices_and_library_with_both(fake_edgetpu, one_usb_device):
    fake_edgetpu()
    assert edgetpu.list_edge_tpus() == [{"type": "usb", "path": "/sys/bus/usb/devices/2-1"}]
    assert "RuntimeVersion(13)" in edgetpu.get_runtime_version()


def test_other_delegates_and_names_are_the_interpreters_own(tmp_path):
    assert runtime.OpResolverType.BUILTIN_REF is not None
    with pytest.warns(UserWarning, match="experimental_preserve_all_tensors"):
        plain = runtime.Interpreter(model_content=twin(), experimental_preserve_all_tensors=True)
    plain.allocate_tensors()
    reference = runtime.Interpreter(
        model_content=twin(), num_threads=1, experimental_op_resolver_type=runtime.OpResolverType.BUILTIN_REF
    )
    image = images(1)[0]
    np.testing.assert_allclose(answer(plain, image).astype(int), answer(reference, image).astype(int), atol=2)
    with pytest.raises(AttributeError, match="nonsense"):
        runtime.nonsense  # noqa: B018
