"""Live classification: cameras, videos, streams and folders, frame by frame. Cameras need the extra `camera`.

sources: where frames come from. mailbox: the newest frame between two threads. watch: the loop. smoothing: scores over
frames. recording, actions, window: what is done with what is seen.
"""

from edgekit.camera.actions import Action, Trigger, checked, parse_trigger
from edgekit.camera.recording import Recorder
from edgekit.camera.sources import Frame, open_source
from edgekit.camera.watch import Control, Sighting, Tally, watch

__all__ = [
    "Action",
    "Control",
    "Frame",
    "Recorder",
    "Sighting",
    "Tally",
    "Trigger",
    "checked",
    "open_source",
    "parse_trigger",
    "watch",
]
