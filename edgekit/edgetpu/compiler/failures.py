"""What the compiler's and the runtime's texts mean, and what to do about them.

Each failure is a row: a pattern of the tool's own words, one sentence for the user, and a hint. The
words were seen in real logs and reports; a text that matches none is passed on as it is.
"""

import re
from dataclasses import dataclass
from typing import Optional, Tuple


@dataclass(frozen=True)
class Failure:
    """A failure of the compiler or the runtime in words a user can act on.

    Attributes:
      pattern: regular expression of the tool's own text; its groups may be used in `message`.
      message: what happened; `{0}`, `{1}`… are the pattern's groups.
      hint: what to do next.
      transient: whether the same run may succeed when it is repeated.
    """

    pattern: str
    message: str
    hint: str
    transient: bool = False

    def describe(self, match: "re.Match[str]") -> "Failure":
        """This failure with the pattern's groups filled into the message."""
        return Failure(self.pattern, self.message.format(*match.groups()), self.hint, self.transient)


#: The most telling ones first: «Model failed in Tflite interpreter» follows the text that says why.
FAILURES: Tuple[Failure, ...] = (
    Failure(
        r"Model not quantized",
        "edgetpu_compiler says that the model is not quantized.",
        "Only fully int8 models compile: run `edgekit convert MODEL --int8` first.",
    ),
    Failure(
        r"Model could not be parsed",
        "edgetpu_compiler could not parse the model.",
        "Check it with `edgekit inspect`; a file that opens there may use ops newer than the compiler.",
    ),
    Failure(
        r"Didn't find op for builtin opcode '(\w+)' version '(\d+)'",
        "edgetpu_compiler does not know {0} in version {1}: the model was written by a newer TensorFlow.",
        "`edgekit compile` lowers the versions where the meaning is the same; convert the model again with edgekit.",
    ),
    Failure(
        r"only supports static-sized tensors",
        "The model has tensors whose size is only known at run time, such as an open batch size.",
        "Export it with a fixed input of batch 1; `edgekit convert` does.",
    ),
    Failure(
        r"Encountered unresolved custom op: ([\w.-]+?)\.?(?:\s|$)",
        "The model contains the custom op {0}, which the compiler cannot run.",
        "Remove it from the model, or, if it is edgetpu-custom-op, compile the model it was made from.",
    ),
    Failure(
        r"large activation tensors",
        "The model's intermediate tensors are too large for the Edge TPU.",
        "Use a smaller input size, or stop earlier with `--intermediate TENSOR`.",
    ),
    Failure(
        r"Package requires runtime version \((\d+)\), which is newer than this runtime version \((\d+)\)",
        "The model was compiled for Edge TPU runtime {0}; this device has runtime {1}.",
        "Update libedgetpu, or compile again with `--min-runtime` set to the device's version.",
    ),
    Failure(
        r"Model failed in Tflite interpreter",
        "The compiler's own TFLite interpreter could not run the model.",
        "Check that it runs on the CPU: `edgekit classify MODEL IMAGE --device cpu`.",
    ),
    Failure(
        r"Compilation timeout\.",
        "edgetpu_compiler gave up at its own time limit, which large intermediate tensors usually cause.",
        "Allow more with `--timeout SECONDS`, or use a smaller input size.",
    ),
    Failure(
        r"Internal compiler error|terminating with uncaught exception",
        "edgetpu_compiler stopped with an internal error.",
        "It happens with models it cannot handle: try `--search`, `--intermediate`, or another input size.",
        transient=True,
    ),
    Failure(
        r"Invalid model: (.+)",
        "edgetpu_compiler calls the model {0} invalid.",
        "Check it with `edgekit inspect`.",
    ),
    Failure(
        r"Compilation failed: (.+)",
        "edgetpu_compiler failed: {0}",
        "Try `--search` to compile as much of the model as possible.",
    ),
)


def explain(text: str) -> Optional[Failure]:
    """The first known failure in a tool's output, its message complete; None where there is none."""
    for failure in FAILURES:
        match = re.search(failure.pattern, text)
        if match:
            return failure.describe(match)
    return None
