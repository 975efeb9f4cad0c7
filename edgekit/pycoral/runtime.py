"""What pycoral's functions need of an interpreter, whichever package it comes from, and running one natively."""

from typing import TYPE_CHECKING, Callable, Dict, MutableMapping
from weakref import WeakValueDictionary

import numpy as np

from edgekit.devices.interpreter import Interpreter

if TYPE_CHECKING:  # Python 3.7 knows no Protocol
    from typing import Protocol  # novm

    from edgekit.devices.interpreter import TensorDetails

    class Runnable(Interpreter, Protocol):
        """An interpreter: of `edgekit.pycoral.interpreter`, or any other of the same names."""

        def _native_handle(self) -> int: ...

        def _get_full_signature_list(self) -> Dict[str, Dict[str, Dict[str, int]]]: ...

else:
    Runnable = TensorDetails = object


__all__ = ["Runnable", "TensorDetails", "check_ready", "interpreters", "invoke", "set_input"]

#: Native handle → the interpreter it belongs to, for functions that are only given the handle.
interpreters: MutableMapping[int, Runnable] = WeakValueDictionary()


def set_input(interpreter: Runnable, details: TensorDetails, value: np.ndarray) -> None:
    """Copies an array of the right shape and type to an input. RuntimeError where the tensors are not allocated."""
    try:
        interpreter.set_tensor(details["index"], value)
    except ValueError as error:
        raise RuntimeError("Invoke called on model that is not ready.") from error


def check_ready(interpreter: Runnable) -> None:
    """Raises RuntimeError where the tensors are not allocated."""
    try:
        interpreter.get_tensor(interpreter.get_input_details()[0]["index"])
    except ValueError as error:
        raise RuntimeError("Invoke called on model that is not ready.") from error


def invoke(interpreter: Runnable) -> None:
    """Runs a model as pycoral's native code does, also while the program holds a view of a tensor.

    The interpreter's own `invoke` refuses that, as the view's memory might move. It moves when tensors are allocated.
    """
    native = getattr(interpreter, "_interpreter", None)
    run: Callable[[], None] = getattr(native, "Invoke", interpreter.invoke)
    run()
