"""The CPU twin as programs written for the compiled model expect it."""

from edgekit.devices.twin import Twin


def served_content(twin: Twin) -> bytes:
    """The twin's file, its inputs and outputs in the compiled model's order: programs count on it."""
    from tflite.Model import Model

    content = bytearray(twin.graph.content)
    subgraph = Model.GetRootAs(content, 0).Subgraphs(0)
    # The arrays are views of the file: the lists keep their length, so that nothing else moves.
    for stored, ends in ((subgraph.InputsAsNumpy(), twin.inputs), (subgraph.OutputsAsNumpy(), twin.outputs)):
        if ends:
            stored[:] = ends
    return bytes(content)
