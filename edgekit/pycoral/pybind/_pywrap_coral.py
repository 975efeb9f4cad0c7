"""The names of pycoral's native module, for programs that use it directly."""

from edgekit.pycoral.utils.edgetpu import get_runtime_version as GetRuntimeVersion  # noqa: N812
from edgekit.pycoral.utils.edgetpu import invoke_with_bytes as InvokeWithBytes  # noqa: N812
from edgekit.pycoral.utils.edgetpu import invoke_with_dmabuffer as InvokeWithDmaBuffer  # noqa: N812
from edgekit.pycoral.utils.edgetpu import invoke_with_membuffer as InvokeWithMemBuffer  # noqa: N812
from edgekit.pycoral.utils.edgetpu import list_edge_tpus as ListEdgeTpus  # noqa: N812
from edgekit.pycoral.utils.edgetpu import set_verbosity as SetVerbosity  # noqa: N812
from edgekit.pycoral.utils.edgetpu import supports_dmabuf as SupportsDmabuf  # noqa: N812

__all__ = [
    "GetRuntimeVersion",
    "InvokeWithBytes",
    "InvokeWithDmaBuffer",
    "InvokeWithMemBuffer",
    "ListEdgeTpus",
    "SetVerbosity",
    "SupportsDmabuf",
]
