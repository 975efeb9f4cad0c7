"""A stand-in for the official benchmark binary: it prints recorded forms, and computes outputs with the interpreter."""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import benchmark_texts

TEXTS = {"cpu": "OLD", "gpu": "GPU", "gpu-fp32": "PART", "nnapi": "NOTHING", "npu": "LITERT"}


def _device(flags):
    if flags.get("use_gpu") == "true":
        return "gpu-fp32" if flags.get("gpu_precision_loss_allowed") == "false" else "gpu"
    return next((name for name in ("nnapi", "npu") if flags.get(f"use_{name}") == "true"), "cpu")


def _answer(flags, wrong):
    import site

    site.main()  # left out at the start, which is three times as fast
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(flags["graph"])
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    with open(flags["input_layer_value_files"].partition(":")[2], "rb") as stream:
        content = stream.read()
    assert flags["input_layer_shape"] == ",".join(map(str, source["shape"]))
    interpreter.set_tensor(source["index"], np.frombuffer(content, source["dtype"]).reshape(source["shape"]))
    interpreter.invoke()
    value = interpreter.get_tensor(sink["index"])
    changed = {"zeros": np.zeros_like(value), "short": value[..., :1], "turned": value[..., ::-1]}.get(wrong, value)
    if wrong == "nan":
        changed = np.full_like(value, np.nan)
    with open(flags["output_filepath"], "wb") as stream:
        stream.write(np.ascontiguousarray(changed).tobytes())


def main(arguments):
    home = os.environ["EDGEKIT_FAKE_PHONE"]
    with open(os.path.join(home, "phone.json")) as stream:
        phone = json.load(stream)
    if "--help" in arguments:
        sys.stderr.write(benchmark_texts.USAGES[phone["binary"]])
        sys.exit(1)
    flags = dict(word[2:].split("=", 1) for word in arguments)
    device = _device(flags)
    with open(os.path.join(home, "calls"), "a") as calls:
        calls.write(json.dumps([device, flags]) + "\n")
    if device in phone.get("fails", {}):
        sys.stderr.write(getattr(benchmark_texts, phone["fails"][device], phone["fails"][device]))
        sys.exit(1)
    if "output_filepath" in flags:
        _answer(flags, phone.get("wrong", {}).get(device))
    sys.stderr.write(getattr(benchmark_texts, phone.get("texts", {}).get(device, TEXTS[device])))


main(sys.argv[1:])
