"""The options of an op in a `.tflite` file, whatever table the schema package has for them."""

import re
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Callable, Dict, Tuple

import numpy as np

from edgekit.tflite.graph import ENUM_OPTIONS, OptionValue

if TYPE_CHECKING:
    import tflite


def op_options(raw: "tflite.Operator") -> Tuple[Tuple[str, OptionValue], ...]:
    """(snake-case field, value) of an operator's options; () where it has none."""
    for kind, table, union in (
        (raw.BuiltinOptionsType(), raw.BuiltinOptions(), "BuiltinOptions"),
        (raw.BuiltinOptions2Type(), raw.BuiltinOptions2(), "BuiltinOptions2"),
    ):
        name = enum_names(union).get(int(kind), "NONE")
        if table is not None and name != "NONE":
            options = getattr(import_module(f"tflite.{name}"), name)()
            options.Init(table.Bytes, table.Pos)
            return tuple((field, get(options)) for field, get in _option_getters(name))
    return ()


#: Takes one option out of a table of the schema package.
Getter = Callable[[object], OptionValue]


@lru_cache(maxsize=None)
def _option_getters(name: str) -> Tuple[Tuple[str, Getter], ...]:
    """(snake-case field, getter) of an options table, from the schema package's generated class."""
    generated = getattr(import_module(f"tflite.{name}"), name)
    methods = [
        m for m in vars(generated) if not re.match(r"_|Init$|GetRootAs|.*(HasIdentifier|Length|IsNone|AsNumpy)$", m)
    ]
    return tuple((_snake(method), _getter(method, hasattr(generated, method + "AsNumpy"))) for method in methods)


def _getter(method: str, is_vector: bool) -> Getter:
    enum = ENUM_OPTIONS.get(_snake(method))
    if is_vector:
        return lambda options: numbers(getattr(options, method + "AsNumpy")())
    if enum:
        # A name always: an unknown number's is the number. What reads it need not expect both.
        return lambda options: enum_names(enum).get(getattr(options, method)(), str(getattr(options, method)()))
    return lambda options: _plain(getattr(options, method)())


def _plain(value: OptionValue) -> OptionValue:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


@lru_cache(maxsize=None)
def enum_names(name: str) -> Dict[int, str]:
    """The names of an enumeration of the schema, by their numbers."""
    enum = getattr(import_module(f"tflite.{name}"), name)
    return {value: key for key, value in vars(enum).items() if isinstance(value, int)}


def numbers(values: object) -> Tuple[int, ...]:
    """A vector's integers; () for one that is absent."""
    # The schema package answers 0 for a vector that is absent.
    return tuple(int(v) for v in values) if isinstance(values, np.ndarray) else ()
