"""Ends while a pipeline is at work: results not fetched, no end of the requests said."""

import sys

import numpy as np
from pycoral.pipeline.pipelined_model_runner import PipelinedModelRunner
from pycoral.utils.edgetpu import make_interpreter

interpreters = [make_interpreter(path) for path in sys.argv[1:]]
for interpreter in interpreters:
    interpreter.allocate_tensors()
runner = PipelinedModelRunner(interpreters)
runner.set_output_queue_size(1)
details = interpreters[0].get_input_details()[0]
for _ in range(200):
    runner.push({details["name"]: np.zeros(details["shape"], details["dtype"])})
print(sorted(runner.pop()))
