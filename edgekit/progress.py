"""How long work tells that it is alive: the library calls a function, only the CLI draws."""

from typing import Callable, Optional

#: Called as progress(stage, done, total); `total` is None where it is not known beforehand.
Progress = Callable[[str, int, Optional[int]], None]


def silent(stage: str, done: int, total: Optional[int]) -> None:
    """The progress function that shows nothing."""
