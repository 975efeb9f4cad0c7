"""What a `.tflite` file says about itself: labels, preprocessing, how it was made.

Two records are kept. The standard one, TFLite Metadata (a flatbuffer in the file, with the labels in a
zip archive behind it), is what other tools read: Android's Task Library, MediaPipe, Netron. It cannot
say everything (crop, channel order, logits, provenance), so `edgekit.json` lies in the same archive.
Reading needs nothing but numpy and zipfile, so that it works on the smallest board.

Field numbers are those of TensorFlow's metadata_schema.fbs, in the order of the schema.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Tuple, Union

import numpy as np

from edgekit.errors import ModelFormatError, UsageError
from edgekit.labels.formats import parse_structured
from edgekit.preprocess import InputSpec
from edgekit.tflite.attached import read_files, with_files
from edgekit.tflite.flat import Table, Value, pack
from edgekit.tflite.graph import Graph, Tensor
from edgekit.tflite.reader import read_graph

STANDARD = "TFLITE_METADATA"
IDENTIFIER = b"M001"
LABELS_FILE = "labels.txt"
RECORD_FILE = "edgekit.json"
#: What the output's numbers are.
OUTPUTS = ("probabilities", "logits")

# The oldest metadata parser that knows all the fields written here.
_MIN_PARSER = "1.0.0"

_MODEL_NAME, _MODEL_DESCRIPTION, _MODEL_GRAPHS, _MODEL_FILES, _MODEL_MIN_PARSER = 0, 1, 3, 6, 7
_MODEL_VERSION, _MODEL_AUTHOR, _MODEL_LICENSE = 2, 4, 5
_GRAPH_INPUTS, _GRAPH_OUTPUTS = 2, 3
_TENSOR_NAME, _TENSOR_DESCRIPTION, _TENSOR_CONTENT, _TENSOR_PROCESS, _TENSOR_STATS, _TENSOR_FILES = 0, 1, 3, 4, 5, 6
_CONTENT_KIND, _CONTENT = 0, 1
_FEATURE, _IMAGE = np.uint8(1), np.uint8(2)
_IMAGE_COLOURS, _IMAGE_SIZE = 0, 1
_RGB, _GREYSCALE = np.int8(1), np.int8(2)
_PROCESS_KIND, _PROCESS = 0, 1
_NORMALIZATION = np.uint8(1)
_MEAN, _STD = 0, 1
_STATS_MAX, _STATS_MIN = 0, 1
_FILE_NAME, _FILE_DESCRIPTION, _FILE_KIND = 0, 1, 2
_AXIS_LABELS = np.int8(2)


@dataclass(frozen=True)
class Metadata:
    """What a model says about itself.

    Attributes:
      name, description: for people; may be empty.
      labels: the classes' names in the order of the output; () where they are not known.
      input: how an image becomes the input, or None where it is not known.
      output: "probabilities" or "logits", or None where it is not known.
      provenance: how the model was made (recipe, digests, versions, verdict), ready for JSON.
      version, author, license: texts for people; may be empty.
    """

    name: str = ""
    description: str = ""
    labels: Tuple[str, ...] = ()
    input: Optional[InputSpec] = None
    output: Optional[str] = None
    provenance: Mapping[str, object] = field(default_factory=dict)
    version: str = ""
    author: str = ""
    license: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))
        if self.output not in (None, *OUTPUTS):
            raise UsageError(f"A model's output is one of {', '.join(OUTPUTS)}, not {self.output!r}.")
        if any("\n" in label or "\r" in label for label in self.labels):
            raise UsageError("A label has a line break in it; labels are stored one in a line.")


def read_metadata(model: Union[Graph, bytes, str, Path]) -> Optional[Metadata]:
    """What a model says about itself, whoever wrote it; None where it says nothing.

    Of a file made by another tool, `input` follows the standard's meaning: a uint8 input takes pixels
    as they are, a float one the stored normalization, and an image is stretched to the input's size.

    Raises:
      ModelFormatError: the file or its metadata is damaged.
    """
    graph = model if isinstance(model, Graph) else read_graph(model)
    entries = dict(graph.metadata)
    if STANDARD not in entries:
        return None
    try:
        standard = Table.root(_buffer(graph, entries[STANDARD]), IDENTIFIER)
        files = read_files(graph.content)
        own = json.loads(files[RECORD_FILE].decode("utf-8")) if RECORD_FILE in files else {}
        return _metadata(graph, standard, files, own)
    except (ModelFormatError, UsageError, ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        reason = getattr(error, "message", "its record cannot be read.")
        raise ModelFormatError(f"The model's metadata is damaged: {reason}", "Copy or download it again.") from error


def write_metadata(content: Union[Graph, bytes], metadata: Metadata) -> bytes:
    """The same model with this metadata in place of any it had; the same input gives the same bytes.

    Raises:
      ModelFormatError: `content` is no `.tflite` file.
      UsageError: the provenance cannot be written as JSON.
      MissingDependencyError: ai-edge-litert is not installed (on a board, which only reads).
    """
    # Editing needs what a board has not.
    from edgekit.tflite.editor import Editor

    graph = content if isinstance(content, Graph) else read_graph(content)
    record = {
        "input": metadata.input.to_json() if metadata.input else None,
        "output": metadata.output,
        "provenance": metadata.provenance,
    }
    files = {RECORD_FILE: _json(record)}
    if metadata.labels:
        files[LABELS_FILE] = "".join(label + "\n" for label in metadata.labels).encode("utf-8")
    editor = Editor(graph)
    editor.set_metadata(STANDARD, pack(_standard(graph, metadata), IDENTIFIER))
    return with_files(editor.content(), files)


def pixel_input(tensor: Tensor) -> Optional[InputSpec]:
    """The input description under which an 8-bit input's stored numbers are the pixels themselves.

    That is what a uint8 input means to every TFLite tool, whatever its scale; an int8 input takes the
    pixel minus 128. None where the tensor is no image of 8 bits.
    """
    if tensor.dtype not in ("uint8", "int8") or not is_image(tensor) or (tensor.quant and tensor.quant.scale[0] <= 0):
        return None
    scale, zero = (tensor.quant.scale[0], tensor.quant.zero_point[0]) if tensor.quant else (1.0, 0)
    black = -128 if tensor.dtype == "int8" else 0
    # Scales are stored in float32: 1/255 comes back as 1/254.99998.
    std = float(f"{1 / scale:.6g}")
    _, height, width, channels = tensor.shape
    return InputSpec(height, width, channels, (float(zero - black),) * channels, (std,) * channels)


def is_image(tensor: Tensor) -> bool:
    """Whether a tensor has the shape of one image: (1, height, width, 1 or 3)."""
    return len(tensor.shape) == 4 and tensor.shape[0] == 1 and tensor.shape[3] in (1, 3) and min(tensor.shape) > 0


def _metadata(graph: Graph, standard: Table, files: Mapping[str, bytes], own: Mapping[str, object]) -> Metadata:
    spec = InputSpec.from_json(own["input"]) if own.get("input") else None
    output, provenance = own.get("output"), own.get("provenance", {})
    if not isinstance(provenance, dict):
        raise ModelFormatError("its provenance is no record.")
    classes = graph.tensors[graph.outputs[0]].elements if graph.outputs else 0
    return Metadata(
        name=standard.text(_MODEL_NAME),
        description=standard.text(_MODEL_DESCRIPTION),
        labels=_labels(_first(standard, _GRAPH_OUTPUTS), files, classes, verbatim=bool(own)),
        input=spec if own else _input(graph, _first(standard, _GRAPH_INPUTS)),
        output=None if output is None else str(output),
        provenance=provenance,
        version=standard.text(_MODEL_VERSION),
        author=standard.text(_MODEL_AUTHOR),
        license=standard.text(_MODEL_LICENSE),
    )


def _first(standard: Table, ends: int) -> Optional[Table]:
    """The description of the main graph's first input or output."""
    graphs = standard.tables(_MODEL_GRAPHS)
    tensors = graphs[0].tables(ends) if graphs else ()
    return tensors[0] if tensors else None


def _labels(output: Optional[Table], files: Mapping[str, bytes], classes: int, *, verbatim: bool) -> Tuple[str, ...]:
    """One name a line; of other tools' files also numbered lines and documents, as Ultralytics' dictionary."""
    for attached in output.tables(_TENSOR_FILES) if output else ():
        name = attached.text(_FILE_NAME)
        if attached.number(_FILE_KIND, "int8") == _AXIS_LABELS and name in files:
            text = files[name].decode("utf-8", "replace").replace("\r", "")
            structured = None if verbatim else parse_structured(text, classes)
            if structured:
                return structured
            lines = text[:-1] if text.endswith("\n") else text
            return tuple(lines.split("\n")) if text else ()
    return ()


def _input(graph: Graph, described: Optional[Table]) -> Optional[InputSpec]:
    tensor = graph.tensors[graph.inputs[0]]
    if tensor.dtype == "uint8":
        return pixel_input(tensor)
    for unit in described.tables(_TENSOR_PROCESS) if described else ():
        options = unit.table(_PROCESS)
        if unit.number(_PROCESS_KIND, "uint8") == _NORMALIZATION and options and is_image(tensor):
            _, height, width, channels = tensor.shape
            mean, std = (_per_channel(options.numbers(n, "float32"), channels) for n in (_MEAN, _STD))
            return InputSpec(height, width, channels, mean, std)
    return None


def _per_channel(values: np.ndarray, channels: int) -> Tuple[float, ...]:
    # One value stands for all channels.
    return tuple(values.tolist()) * (channels if len(values) == 1 else 1)


def _standard(graph: Graph, metadata: Metadata) -> Dict[int, Value]:
    """The standard record as a table of field numbers. Further inputs and outputs stay undescribed."""
    inputs: List[Dict[int, Value]] = [{} for _ in graph.inputs]
    outputs: List[Dict[int, Value]] = [{} for _ in graph.outputs]
    if metadata.input and inputs:
        inputs[0] = _standard_input(graph.tensors[graph.inputs[0]], metadata.input)
    if outputs:
        outputs[0] = _standard_output(metadata)
    further = {_MODEL_VERSION: metadata.version, _MODEL_AUTHOR: metadata.author, _MODEL_LICENSE: metadata.license}
    return {
        _MODEL_NAME: metadata.name,
        _MODEL_DESCRIPTION: metadata.description,
        **{place: text for place, text in further.items() if text},
        _MODEL_GRAPHS: [{_GRAPH_INPUTS: inputs, _GRAPH_OUTPUTS: outputs}],
        _MODEL_FILES: [{_FILE_NAME: RECORD_FILE, _FILE_DESCRIPTION: "edgekit's record: input, output, provenance."}],
        _MODEL_MIN_PARSER: _MIN_PARSER,
    }


def _standard_input(tensor: Tensor, spec: InputSpec) -> Dict[int, Value]:
    table: Dict[int, Value] = {
        _TENSOR_NAME: "image",
        _TENSOR_DESCRIPTION: f"Image of {spec.width} x {spec.height} pixels, {spec.order.upper()}.",
        _TENSOR_CONTENT: {_CONTENT_KIND: _IMAGE, _CONTENT: _standard_image(spec)},
    }
    # The standard knows no BGR: left without a normalization, others refuse the model rather than
    # give it red for blue.
    if spec.order == "rgb":
        mean, std = _stored(spec.mean), _stored(spec.std)
        quantized = tensor.dtype != "float32"
        low, high = (0 * mean, 0 * mean + 255) if quantized else (-mean / std, (255 - mean) / std)
        table[_TENSOR_PROCESS] = [{_PROCESS_KIND: _NORMALIZATION, _PROCESS: {_MEAN: mean, _STD: std}}]
        table[_TENSOR_STATS] = {_STATS_MAX: high, _STATS_MIN: low}
    return table


def _stored(values: Tuple[float, ...]) -> np.ndarray:
    # MediaPipe knows one value for all channels only, so it is written so wherever it can be.
    return np.array(values[:1] if len(set(values)) == 1 else values, np.float32)


def _standard_image(spec: InputSpec) -> Dict[int, Value]:
    size = {0: np.uint32(spec.width), 1: np.uint32(spec.height)}
    if spec.order != "rgb":
        return {_IMAGE_SIZE: size}
    return {_IMAGE_COLOURS: _RGB if spec.channels == 3 else _GREYSCALE, _IMAGE_SIZE: size}


def _standard_output(metadata: Metadata) -> Dict[int, Value]:
    table: Dict[int, Value] = {
        _TENSOR_NAME: "logit" if metadata.output == "logits" else "probability",
        _TENSOR_CONTENT: {_CONTENT_KIND: _FEATURE, _CONTENT: {}},
    }
    if metadata.output != "logits":
        table[_TENSOR_STATS] = {_STATS_MAX: np.ones(1, np.float32), _STATS_MIN: np.zeros(1, np.float32)}
    if metadata.labels:
        about = "Names of the classes."
        table[_TENSOR_FILES] = [{_FILE_NAME: LABELS_FILE, _FILE_DESCRIPTION: about, _FILE_KIND: _AXIS_LABELS}]
    return table


def _buffer(graph: Graph, index: int) -> bytes:
    buffers = Table.root(graph.content).tables(4)
    if index >= len(buffers):
        raise ModelFormatError(f"it names buffer {index} of {len(buffers)}.")
    # Some writers keep buffers behind the flatbuffer, told by their offset and size.
    start, size = (int(buffers[index].number(part, "uint64")) for part in (1, 2))
    return graph.content[start : start + size] if start > 1 else buffers[index].blob(0)


def _json(value: object) -> bytes:
    try:
        return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (TypeError, ValueError) as error:
        raise UsageError(f"The model's provenance cannot be written as JSON: {error}.") from error
