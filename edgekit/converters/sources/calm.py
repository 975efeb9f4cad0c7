"""TensorFlow without its chatter, for programs as for commands."""

import os
import re
import sys
from importlib import import_module

from edgekit.quiet import stderr_without

#: How TensorFlow is told what to log; who sets it decides.
LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
#: What it writes while it is imported, before it heeds that.
_CHATTER = re.compile(rb"(WARNING: All log messages before absl|[IWE]\d{4} \d\d|To enable the following instructions)")


def calm_tensorflow() -> None:
    """Imports TensorFlow with only its fatal errors logged, unless it is loaded or its level of logging is set.

    Where it is not installed nothing happens: what needs it says so.
    """
    if "tensorflow" in sys.modules or LOG_LEVEL in os.environ:
        return
    os.environ[LOG_LEVEL] = "3"
    with stderr_without(_CHATTER):
        try:
            import_module("tensorflow")
        except Exception:  # told by what needs it, with the reason
            return
