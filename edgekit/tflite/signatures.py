"""Signatures: names for a model's inputs and outputs, by which `get_signature_runner()` calls it."""

from typing import Mapping

from edgekit.tflite import tree

#: The key that TensorFlow's converter gives the signature of a Keras model, and runners take without asking.
SERVING = "serving_default"
#: What edgekit calls a classifier's input and output.
IMAGE, SCORES = "image", "scores"


def signatures(content: bytes) -> Mapping[str, Mapping[str, int]]:
    """Signature of the main subgraph → name of an output → its tensor."""
    return tree.signatures(tree.unpack(content))


def signed(content: bytes) -> bytes:
    """A classifier's file with a signature for its one input and its one output, in place of any it had."""
    model = tree.unpack(content)
    graph = model.subgraphs[0]
    tree.set_signature(model, SERVING, {IMAGE: int(graph.inputs[0])}, {SCORES: int(graph.outputs[0])})
    return tree.pack(model)
