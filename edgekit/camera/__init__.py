"""Live classification: cameras, videos, streams and folders, frame by frame. Cameras need the extra `camera`."""

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
