"""Everything that edgekit raises on purpose.

    EdgekitError                    what happened; `hint` says what to do next
    ├── UsageError                  options that contradict each other or name nothing
    ├── ModelError                  a model file that cannot be used
    │   ├── ModelFormatError        damaged, truncated, or not what its name says
    │   ├── UnsafeModelError        opening it would run code that the file brings along
    │   └── UnsupportedModelError   readable, but not an image classifier edgekit can convert
    ├── DataError                   images, labels or ranges: missing, unreadable, of the wrong shape
    │   └── ImageError            one image that cannot be decoded
    ├── PreprocessingError          how images must be scaled is not clear
    ├── ConversionError             a conversion step failed or its result is wrong
    ├── DeviceError                 no interpreter, delegate or accelerator, or it failed
    ├── CompilerError               a target's compiler is missing, failed or refused the model (exit code 3)
    ├── MissingDependencyError      an optional package is not installed
    ├── OutOfMemoryError            there is not enough memory
    └── OutputError                 a result could not be written

The command line prints `message` and `hint` in a line each and exits with `exit_code`;
exit code 1 is kept for findings («the accuracy asked for is not met»), which are no errors, and 70 for what nobody
expected.
"""

from typing import Optional


class EdgekitError(Exception):
    """An expected failure, told in words a user can act on.

    Attributes:
      message: what happened and where, in one sentence, without any file content.
      hint: what to do next, or None where the message already says it.
    """

    exit_code = 2

    def __init__(self, message: str, hint: Optional[str] = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def kind(self) -> str:
        """Stable name of the error for machines, such as `ModelFormatError`."""
        return type(self).__name__

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class UsageError(EdgekitError):
    """Options that contradict each other or name something that does not exist."""


class ModelError(EdgekitError):
    """A model file that cannot be used."""


class ModelFormatError(ModelError):
    """The file is damaged, truncated, or not of the format that its name promises."""


class UnsafeModelError(ModelError):
    """Opening the model would run code stored in the file."""


class UnsupportedModelError(ModelError):
    """The model can be read, but it is not one that edgekit can convert or run."""


class DataError(EdgekitError):
    """Images, labels or saved ranges that cannot be used."""


class ImageError(DataError):
    """A single image that cannot be decoded."""


class PreprocessingError(EdgekitError):
    """The scaling of the model's input images could not be determined."""


class ConversionError(EdgekitError):
    """A conversion step failed, or its result does not match what went in."""


class DeviceError(EdgekitError):
    """No interpreter, delegate or accelerator was found, or it failed."""


class CompilerError(EdgekitError):
    """A target's compiler (edgetpu_compiler, Vela, the converter to TOSA) is missing, failed, or refused the model."""

    exit_code = 3


class MissingDependencyError(EdgekitError):
    """An optional dependency is not installed."""


class OutOfMemoryError(EdgekitError):
    """There is not enough memory, or not enough is allowed."""


class OutputError(EdgekitError):
    """A result could not be written."""
