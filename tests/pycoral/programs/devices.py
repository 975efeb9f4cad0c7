"""Opens a model on every Edge TPU there is, by its name."""

import sys

from pycoral.utils.edgetpu import get_runtime_version, list_edge_tpus, make_interpreter, set_verbosity

tpus = list_edge_tpus()
print(len(tpus), all(sorted(tpu) == ["path", "type"] and tpu["type"] in ("usb", "pci") for tpu in tpus))
print(set_verbosity(0), bool(get_runtime_version()))
for number, tpu in enumerate(tpus):
    for device in (f":{number}", f"{tpu['type']}:{number}"):
        make_interpreter(sys.argv[1], device).allocate_tensors()
for missing in (f":{len(tpus) + 90}", "foo", ":1000"):
    try:
        make_interpreter(sys.argv[1], device=missing)
        print("opened")
    except ValueError as error:
        print(str(error).split(" from ")[0])
