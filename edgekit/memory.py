"""Want of memory, told apart from what it looks like: it comes as a damaged file, a missing package, a dead process."""

import os
import re
import sys
from typing import Iterator, Optional

from edgekit.errors import EdgekitError, OutOfMemoryError

try:  # at once: where memory is short already, it could not be loaded any more
    from resource import RLIM_INFINITY, RLIMIT_AS, getrlimit
except ImportError:  # Windows
    getrlimit = None  # type: ignore[assignment]

#: Bytes of OpenBLAS' buffers, one for each core, and how many of them scipy's libraries take themselves.
_BLAS_BUFFER, _SCIPY_PARTS = 32 << 20, 4

# How loaders, threads and native libraries word it. The last two: what failed for it before it could say so.
_WORDS = re.compile(
    "failed to map segment|annot allocate memory|can't start new thread|bad_alloc|failed to allocate|out of memory"
    "|unable to allocate|cannot create thread|memory allocation|without setting an exception|without exception set",
    re.IGNORECASE,
)


def is_short(error: Optional[BaseException]) -> bool:
    """Whether an exception, or one that led to it, comes of too little memory."""
    return any(isinstance(one, MemoryError) or _WORDS.search(str(one)) for one in _chain(error))


def _chain(error: Optional[BaseException]) -> Iterator[BaseException]:
    for _ in range(20):  # chains are short, but may be circles
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def limit() -> Optional[int]:
    """Bytes of address space that this process may have (`ulimit -v`); None where there is no such bound."""
    if getrlimit is None:
        return None
    soft = getrlimit(RLIMIT_AS)[0]
    return None if soft == RLIM_INFINITY else soft


def check_room_for_scipy() -> None:
    """To be called before scipy is imported.

    Its OpenBLAS asks for 32 MB for each core while it is loaded, and where a limit refuses, it asks again for ever.

    Raises:
      OutOfMemoryError: a limit of address space leaves too little for it.
    """
    bound = limit()
    if bound is None or "scipy.linalg" in sys.modules:
        return
    try:
        with open("/proc/self/statm") as stream:
            taken = int(stream.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # not on Linux
        return
    if bound - taken < (_SCIPY_PARTS + len(os.sched_getaffinity(0))) * _BLAS_BUFFER:
        raise short("scipy")


def short(work: str = "this") -> OutOfMemoryError:
    """What to raise where memory does not suffice.

    Args:
      work: what it was needed for, to end the sentence «There is not enough memory for …».
    """
    bound = limit()
    allowed = f" Here {bound / 1e9:.2g} GB of address space are allowed (ulimit -v)." if bound else ""
    return OutOfMemoryError(
        f"There is not enough memory for {work}.{allowed}",
        "Free some, raise the limit set for it, or use fewer images.",
    )


def blamed(error: EdgekitError) -> EdgekitError:
    """The error itself, or want of memory where that led to it under a limit: then a sound file looks damaged."""
    return short() if limit() is not None and is_short(error.__cause__) else error
