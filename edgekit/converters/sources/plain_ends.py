"""The ends of a `.tflite` in the form that edgekit works with: one image in, one row of scores out."""

import numpy as np

from edgekit.converters.sources import checks
from edgekit.converters.sources.ends import End, about_choice, choose_output
from edgekit.errors import UnsupportedModelError, UsageError
from edgekit.tflite import names
from edgekit.tflite.editor import Editor
from edgekit.tflite.graph import Graph
from edgekit.tflite.patterns import affine_step
from edgekit.tflite.signatures import signatures

_RESHAPES = {"RESHAPE", "EXPAND_DIMS"}


def as_classifier(name: str, graph: Graph, output: str | None, signature: str | None) -> tuple[Graph, tuple[str, ...]]:
    """The model with one output, chosen as `choose_output` does, a row of scores; and with its axis of channels.

    Args:
      name: the file, for messages.
      output: name of a tensor or, by the signature, of an output; or its place.
      signature: whose names and outputs count; None for those of the graph.

    Returns:
      (the model, notes about what was left out).

    Raises:
      UsageError: there is no such output or signature.
      UnsupportedModelError: several outputs could be meant, or nothing is computed.
    """
    known = _signature(name, graph, signature)
    places = list(known.values()) if signature is not None else list(graph.outputs)
    titles = {tensor: title for title, tensor in known.items()}
    tensors = [graph.tensors[place] for place in places]
    ends = [End(titles.get(one.index) or one.name, one.signature, one.dtype) for one in tensors]
    by_tensor = next((ends[n].name for n, one in enumerate(tensors) if one.name == output), output)
    place = choose_output(name, ends, by_tensor)
    image, row = _needs_channels(graph), _needs_row(ends[place])
    if not (image or row or len(graph.outputs) > 1):
        return graph, ()
    editor = Editor(graph)
    editor.set_outputs([places[place]])
    editor.remove_dead()
    if not editor.ops:
        raise UnsupportedModelError(f"{name} computes nothing: no op leads to its output.")
    if row:
        _add_row(editor)
    if image:
        _add_channels(editor)
    editor.drop_signatures()
    return editor.finish(), about_choice(ends, place)


def _signature(name: str, graph: Graph, wanted: str | None) -> dict[str, int]:
    """Name of an output → its tensor, by the wanted signature or the only one."""
    known = signatures(graph.content) if wanted is not None or len(graph.outputs) > 1 else {}
    if wanted is not None and wanted not in known:
        told = f"Choose one of: {', '.join(known)}." if known else "It has none for its main graph."
        raise UsageError(f"{name} has no signature {wanted!r}.", told)
    if wanted is not None:
        return dict(known[wanted])
    return dict(next(iter(known.values()))) if len(known) == 1 else {}


def _needs_row(end: End) -> bool:
    return len(end.shape) != 2 and checks.scores_in(end.shape) is not None


def _add_row(editor: Editor) -> None:
    """Reshapes scores like (batch, 1, 1, classes) to a row."""
    (scores,) = editor.outputs
    known = editor.tensors[scores]
    shape = (-1, int(np.prod(known.shape[1:])))
    row = editor.add_tensor(names.ROW, (known.shape[0], shape[1]), known.dtype)
    wanted = editor.add_constant(names.ROW_SHAPE, np.array(shape, np.int32))
    editor.insert_after(editor.ops[-1], "RESHAPE", [scores, wanted], [row], {"new_shape": shape})
    editor.set_outputs([row])


def _needs_channels(graph: Graph) -> bool:
    """Whether it takes grey images without an axis of channels, and begins by reshaping them."""
    given = graph.tensors[graph.inputs[0]] if len(graph.inputs) == 1 else None
    if given is None or len(given.shape) != 3 or -1 in given.signature[1:] or given.dtype != "float32":
        return False
    tensor, step = given.index, affine_step(graph, given.index)
    while step is not None:
        tensor, step = step.op.outputs[0], affine_step(graph, step.op.outputs[0])
    made = [graph.tensors[op.outputs[0]] for op in graph.consumers(tensor) if op.opcode in _RESHAPES]
    return any(checks.is_whole_image(one.shape) for one in made)


def _add_channels(editor: Editor) -> None:
    given = editor.tensors[editor.inputs[0]]
    image = editor.add_tensor(names.IMAGE, (*given.shape, 1))
    shape = editor.add_constant(names.IMAGE_SHAPE, np.array(given.shape, np.int32))
    editor.insert_after(None, "RESHAPE", [image, shape], [given.index], {"new_shape": given.shape})
    editor.set_inputs([image])
