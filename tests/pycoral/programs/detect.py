"""Written for pycoral, with the delegate loaded beforehand: finds objects in an image."""

import sys

from PIL import Image
from pycoral.adapters import common
from pycoral.adapters.detect import get_objects
from pycoral.utils import edgetpu

print(edgetpu.list_edge_tpus(), edgetpu.get_runtime_version() != "")
delegate = edgetpu.load_edgetpu_delegate({"device": "usb"})
interpreter = edgetpu.make_interpreter(sys.argv[1], delegate=delegate)
interpreter.allocate_tensors()
image = Image.open(sys.argv[2])
_, scale = common.set_resized_input(interpreter, image.size, lambda size: image.resize(size, Image.NEAREST))
interpreter.invoke()
for found in get_objects(interpreter, score_threshold=0.4, image_scale=scale):
    print(found.id, round(found.score, 3), *found.bbox)
