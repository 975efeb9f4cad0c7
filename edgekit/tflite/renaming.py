"""Ops called by the names of others for a while, for readers that would not take their own."""

from typing import Iterator, Mapping, Tuple

from edgekit.tflite import tree

#: A version that no op has: from here on it holds the number of an op that goes by another's name.
_RENAMED = 10_000


def renamed(content: bytes, names: Mapping[str, str]) -> bytes:
    """The file with some kinds of ops called by the names of others; `restored` gives them their own again.

    Their options stay, so that only a reader who asks for names alone can take such a file.
    """
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    numbers = {getattr(BuiltinOperator, old): getattr(BuiltinOperator, new) for old, new in names.items()}
    if not any(kind in numbers for kind, _ in _codes(content)):
        return content
    model = tree.unpack(content)
    for code in model.operatorCodes:
        if code.builtinCode in numbers:
            code.version = _RENAMED + code.builtinCode
            code.builtinCode = code.deprecatedBuiltinCode = numbers[code.builtinCode]
    return tree.pack(model)


def restored(content: bytes) -> bytes:
    """The file with the ops that `renamed` renamed under their own names, at version 1."""
    if all(version < _RENAMED for _, version in _codes(content)):
        return content
    model = tree.unpack(content)
    for code in model.operatorCodes:
        if code.version >= _RENAMED:
            code.builtinCode, code.version = code.version - _RENAMED, 1
            code.deprecatedBuiltinCode = code.builtinCode
    return tree.pack(model)


def _codes(content: bytes) -> Iterator[Tuple[int, int]]:
    """(number, version) of the kinds of ops in a file."""
    from tflite.Model import Model

    file = Model.GetRootAs(content, 0)
    for code in map(file.OperatorCodes, range(file.OperatorCodesLength())):
        yield code.BuiltinCode(), code.Version()
