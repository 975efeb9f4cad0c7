"""Documents as commands print them with --json, of every kind that a report is made of, with hostile names in them."""

HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(2)>&\"'{{ 7*7 }}"
STEPS = [
    {"name": "minmax", "ranges": "minmax", "group": None, "sqnr_db": 5.33, "gain_db": None, "kept": True},
    {"name": HOSTILE, "ranges": "mse", "group": None, "sqnr_db": 17.78, "gain_db": 12.45, "kept": False},
]
VERDICT = {
    "agreement": 0.9850000000000001, "interval": [0.9568, 0.9949], "images": 200, "source": "data",
    "top1_float": 0.8834, "top1_int8": 0.8795,
}  # fmt: skip
RECORD = {
    "tool": "edgekit", "recipe": {}, "source": {"file": HOSTILE, "architecture": "B0"}, "steps": STEPS,
    "calibration": {"images": 123, "method": "mse", "origin": HOSTILE, "corrections": ["rounding"]},
    "preprocessing": {"name": "raw", "how": HOSTILE}, "verdict": VERDICT,
}  # fmt: skip
SPREAD = {"first": -3.0, "width": 0.5, "counts": [2, 0, 40, 900, 70, 1]}
FIT = {"tensor": HOSTILE, "low": -2.25, "high": 0.75, "clipped": 0.0125, "sqnr_db": 19.75, "distribution": SPREAD}
COST = {
    "bytes": [16123456, 5312345],
    "inference_ms": [28.125, 14.875],
    "ratio": 0.53125,
    "ratio_interval": [0.5, 0.5625],
}
DYNAMIC = {
    **{key: value for key, value in RECORD.items() if key not in ("calibration", "steps")},
    "recipe": {"precision": "dynamic"},
}  # fmt: skip
CONVERSION = {
    "cost": COST,
    "ranges": [FIT, {**FIT, "tensor": "second", "clipped": 0.0}],
    "model": f"/home/somebody/{HOSTILE}", "accepted": True, "unmet": None, "verdict": VERDICT, "preprocess": "raw",
    "provenance": RECORD, "labels": ["cat", HOSTILE], "notes": [HOSTILE], "alarms": [HOSTILE], "skipped": [],
}  # fmt: skip
CLASSES = [
    {"index": i, "label": label, "images": 50 + i, "top1": top1, "interval": [top1 - 0.05, top1 + 0.03],
     "specificity": 0.9712, "precision": None}
    for i, (label, top1) in enumerate([("cat", 0.9123), (HOSTILE, 0.8456)])
]  # fmt: skip
CAT, OTHER = (0, "cat"), (1, HOSTILE)
CONFUSION = [
    {"truth": a, "answer": b, "images": n, "truth_index": i, "answer_index": j}
    for (i, a), (j, b), n in [(CAT, CAT, 46), (OTHER, CAT, 7), (OTHER, OTHER, 44)]
]
EVALUATION = {
    "model": "m.tflite", "images": 101, "top1": 0.8811881188118812, "top1_interval": [0.8034, 0.9306], "top5": 1.0,
    "top5_interval": [0.9633, 1.0], "mapping": "by name", "classes": CLASSES, "confusion": CONFUSION, "alarms": [],
    "skipped": [{"image": HOSTILE, "reason": "is broken"}], "accepted": False, "unmet": "top-1 is too low",
}  # fmt: skip
LAYER = {
    "index": 3, "op": "CONV_2D", "name": HOSTILE, "scores_db": 21.25, "accumulated_db": 11.5, "local_db": 13.75,
    "cause": "clipped", "meaning": "range clipped", "remedy": "a wider range", "swallowed": False,
    "low": -4.5, "high": 8.25, "distribution": SPREAD,
}  # fmt: skip
COMPARISON = {
    "cost": COST, "a": "/x/a.h5", "b": "/x/b.tflite", **VERDICT, "sqnr_db": 25.15, "significance": "no difference",
    "matching": "by name",
    "layers": [LAYER, {**LAYER, "index": 4, "scores_db": None, "distribution": None}], "alarms": [], "skipped": [],
}  # fmt: skip
PLACES = [("CONV_2D", "edgetpu", True), ("MEAN", "edgetpu", False), ("EXP", "cpu", True)]
OPS = [
    {"index": i, "op": op, "device": device, "status": "s", "reasons": [HOSTILE], "certain": certain}
    for i, (op, device, certain) in enumerate(PLACES)
]
COSTLY = {"index": 0, "op": "CONV_2D", "macs": 3612672, "parameter_bytes": 1664, "streamed": True, "ms": 0.3432}
INSPECTION = {
    "model": "m.tflite", "size": 5357056, "op_counts": {"CONV_2D": 1, "EXP": 1},
    "quantization": {"kind": "full", "dtype": "int8"},
    "inputs": [{"name": HOSTILE, "shape": [1, 8, 8, 3], "dtype": "uint8"}], "outputs": [], "ops": OPS,
    "advice": [HOSTILE],
    "verdict": "2 of 3 ops map", "fully_mapped": False, "on_chip_bytes": 6205568, "streamed_bytes": 1024,
    "latency_ms": {"usb3": [5.243, 6.816, 8.9]}, "savings": [], "cautions": [HOSTILE],
    "costliest": [COSTLY],
}  # fmt: skip
TRAINING = {
    **EVALUATION, "top1_int8": 0.8712, "top1_int8_interval": [0.81, 0.92], "images_trained": 400, "images_judged": 101,
    "curve": {"points": [{"images": 100, "top1": 0.71, "interval": [0.65, 0.77]}],
              "twice_as_many": {"images": 800, "top1": 0.91, "interval": [0.88, 0.94]}},
    "training": {"base": HOSTILE}, "cross_validation": {"top1": 0.886}, "seconds": 25.4, "divided": "by file",
}  # fmt: skip
MEASUREMENT = {
    "model": f"/home/somebody/{HOSTILE}", "device": "cpu", "threads": 1, "load_ms": 231.5, "first_ms": 10.75,
    "inference_ms": {"p50": 13.625, "p95": 15.25, "p99": 18.5}, "preprocess_ms": 6.125, "postprocess_ms": None,
    "runs": 500, "peak_memory_bytes": 111169536, "model_memory_bytes": 62464000, "ratio": None, "ratio_interval": None,
    "slowdown": 1.0312, "slowdown_interval": [1.0109, 1.0512],
}  # fmt: skip
BENCHMARK = {
    "machine": {"processor": HOSTILE, "cores": 2, "system": "Linux", "governors": ["performance"], "load": 0.25},
    "image": HOSTILE, "warm_up": 10, "notes": [HOSTILE], "accepted": False, "unmet": "slower by 3.1 %",
    "results": [MEASUREMENT, {**MEASUREMENT, "model": "b.tflite", "ratio": 0.467, "ratio_interval": [0.391, 0.504]}],
}  # fmt: skip
PHONE = {
    "machine": {
        "processor": HOSTILE, "system": "Android 14", "abis": ["arm64-v8a"], "serial": "SECRET1", "binary": HOSTILE,
        "governors": ["schedutil"], "load": 3.5,
    },
    "warm_up": 10, "notes": [HOSTILE], "accepted": True, "unmet": None,
    "results": [
        {**MEASUREMENT, "device": "gpu", "inference_ms": {"p50": None, "mean": 8.9375, "p95": None, "p99": None},
         "peak_memory_bytes": None, "delegated": "a part of it", "on_cpu": ["ARG_MAX"],
         "agreement": {"agreement": 0.9375, "interval": [0.8281, 0.9844], "images": 48, "source": "data",
                       "sqnr_db": 31.25, "broken": HOSTILE, "why_not": None}},
        {**MEASUREMENT, "ratio": 1.5312, "ratio_interval": [1.5, 1.5625], "agreement": None},
    ],
    "failed": [{"model": "b.tflite", "device": "nnapi", "threads": 4, "error": "DeviceError", "message": HOSTILE,
                "hint": None}],
}  # fmt: skip
VERIFICATION = {
    "model": "m.tflite", "accepted": False,
    "gates": [
        {"gate": "max_size", "met": True, "value": 5300000, "found": "5.1MiB", "asked": "at most 6MiB"},
        {"gate": "min_top1", "met": False, "value": 0.8125, "found": HOSTILE, "asked": "at least 90.0 %"},
    ],
}  # fmt: skip
DOCUMENTS = {
    "benchmark": BENCHMARK,
    "benchmark on a phone": PHONE,
    "verify": VERIFICATION,
    "convert": CONVERSION,
    "manifest": RECORD,
    "manifest without calibration": DYNAMIC,
    "evaluate": EVALUATION,
    "compare": COMPARISON,
    "inspect": INSPECTION,
    "train": TRAINING,
}
