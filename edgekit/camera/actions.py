"""Running a command when something is seen."""

import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from difflib import get_close_matches
from time import monotonic
from typing import Callable, Optional, Sequence, Tuple

from edgekit.camera.watch import Sighting
from edgekit.devices import Classifier, ClassScore
from edgekit.errors import OutputError, UsageError

_TRIGGER = re.compile(r"\s*(?P<label>.+?)\s*>\s*(?P<score>[0-9]*\.?[0-9]+)\s*(?P<percent>%?)\s*")


@dataclass(frozen=True)
class Trigger:
    """When to act.

    Attributes:
      label: the class, upper and lower case alike.
      score: it must be more probable than this, 0–1.
    """

    label: str
    score: float

    def met_by(self, classes: Tuple[ClassScore, ...]) -> Optional[ClassScore]:
        """The class that meets it, or None."""
        wanted = self.label.casefold()
        return next((best for best in classes if best.label.casefold() == wanted and best.score > self.score), None)

    def check(self, names: Sequence[str]) -> None:
        """Raises UsageError where a model that has these classes could never meet it."""
        known = {name.casefold(): name for name in names}
        if self.label.casefold() not in known:
            near = [known[name] for name in get_close_matches(self.label.casefold(), known, n=3)]
            some = f"{', '.join(names[:8])}{', …' if len(names) > 8 else ''}"
            hint = f"Did you mean {' or '.join(near)}?" if near else f"Its {len(names)} classes are: {some}."
            raise UsageError(f"The model has no class {self.label!r}.", hint)


def parse_trigger(text: str) -> Trigger:
    """«dog>0.8» or «dog > 80%». Raises UsageError where it is neither."""
    match = _TRIGGER.fullmatch(text)
    score = float(match["score"]) / (100 if match["percent"] else 1) if match else -1.0
    if match is None or not 0 <= score < 1:
        raise UsageError(f"{text!r} is no condition.", "Write a label and a score below 1, such as 'dog>0.8'.")
    return Trigger(match["label"], score)


def checked(open_classifier: Callable[[], Classifier], trigger: Optional[Trigger]) -> Callable[[], Classifier]:
    """Opens the model, and refuses one that could never meet the trigger: at the start and at each reload."""

    def open_checked() -> Classifier:
        classifier = open_classifier()
        try:
            if trigger is not None:
                trigger.check(classifier.class_names)
        except UsageError:
            classifier.close()
            raise
        return classifier

    return open_checked


class Action:
    """Starts a command when its trigger is met, without waiting for it and without a shell.

    What was seen is told through the environment (EDGEKIT_LABEL, EDGEKIT_SCORE, EDGEKIT_FRAME, EDGEKIT_NAME):
    a label never becomes a part of a command line. While the command runs, and for a while after its start, it
    is not started again.
    """

    def __init__(self, trigger: Trigger, command: str, *, cooldown: float = 10.0) -> None:
        """`cooldown`: seconds from one start to the next, at least.

        Raises UsageError where the command is empty, its quotes do not match, or there is no such program.
        """
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise UsageError(f"The command {command!r} cannot be taken apart: {error}.") from error
        if not self._command or not cooldown >= 0:  # NaN too
            raise UsageError("A cooldown cannot be negative." if self._command else "There is no command to run.")
        if shutil.which(self._command[0]) is None:
            raise UsageError(f"There is no program {self._command[0]!r}.", "Give its path, or a name on the PATH.")
        self._trigger, self._cooldown = trigger, cooldown
        self._started: Optional[float] = None
        self._running: Optional[subprocess.Popen[bytes]] = None

    def __call__(self, sighting: Sighting) -> None:
        """Starts the command where the sighting meets the trigger. Raises OutputError where it cannot start."""
        seen = self._trigger.met_by(sighting.classes)
        if seen is None or not self._ready():
            return
        told = {
            "EDGEKIT_LABEL": seen.label.replace("\0", ""),
            "EDGEKIT_SCORE": f"{seen.score:.4f}",
            "EDGEKIT_FRAME": str(sighting.frame.number),
            "EDGEKIT_NAME": sighting.frame.name,
        }
        self._started = monotonic()
        try:
            self._running = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, env={**os.environ, **told})
        except (OSError, ValueError) as error:
            raise OutputError(f"The command {self._command[0]!r} cannot be started: {error}.") from error

    def _ready(self) -> bool:
        if self._running is not None and self._running.poll() is None:
            return False
        return self._started is None or monotonic() - self._started >= self._cooldown

    def close(self) -> None:
        """Leaves a command that still runs to itself."""
        if self._running is not None and self._running.poll() is None:
            self._running.returncode = 0  # keeps Python from complaining of a child it did not wait for
