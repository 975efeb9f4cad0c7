"""The parameters of a compiled file: plain data of the model that it was made from, in an order of its own.

layer: what a layer of a model gives to a compiled file. layout: how that lies in bytes. store: a compiled file's bytes,
to look for layers in. constants: what other ops give to it. contents: whether they are a model's layers, and which are
not.
"""

from edgekit.edgetpu.parameters.contents import Contents, LayerCheck, check_contents, difference

__all__ = ["Contents", "LayerCheck", "check_contents", "difference"]
