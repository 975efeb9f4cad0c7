"""A network of known size as a float `.tflite` graph."""

from edgekit.converters.export.direct.build import draw, input_shape
from edgekit.converters.export.direct.emit import emit
from edgekit.converters.export.direct.layer import UnknownLayerError
from edgekit.models.network import Network
from edgekit.tflite.graph import Graph


def export_network(network: Network) -> Graph:
    """The float graph of a network, for one image at a time.

    Raises:
      UnknownLayerError: something in it is not known here, or it does not say how large its images are.
      ModelFormatError: its weights do not fit its layers.
    """
    sizes = [size for size in input_shape(network.configuration)[1:] if size is not None]
    if len(sizes) != 3:
        raise UnknownLayerError("A model that does not say what images it takes is not known here.")
    drawn = draw(network, sizes)
    if len(drawn.outputs) != 1:
        raise UnknownLayerError(f"A model of {len(drawn.outputs)} outputs is not known here.")
    ((_, answer),) = drawn.outputs
    return emit(drawn.fused(answer), drawn.given, answer)
