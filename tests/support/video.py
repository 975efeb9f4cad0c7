"""Small videos, whole and broken."""

import numpy as np
import pytest


def breaking_video(path, *, frames, kept=1.0, codec="MJPG"):
    """Writes so many frames of noise, and of the file's bytes only the share `kept`; returns the path."""
    cv2 = pytest.importorskip("cv2")
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 10, (64, 48))
    generator = np.random.default_rng(0)
    for _ in range(frames):
        writer.write(generator.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    writer.release()
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    return path
