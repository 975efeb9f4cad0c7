"""What the official benchmark binaries print, abridged and in numbers of our own: one text for each form known.

Forms of tensorflow's benchmark_model of 2018, 2021 and 2024, and of LiteRT's of 2025, as read in their sources
(benchmark_model.cc, benchmark_litert_model.h) and in reports to tensorflow and LiteRT.
"""

#: 2018: no first inference, no percentiles.
OLD = """STARTING!
Num threads: [2]
Graph: [/data/local/tmp/m.tflite]
Loaded model /data/local/tmp/m.tflite
resolved reporter
Initialized session in 9.5ms
Running benchmark for at least 4 iterations and at least 0.5 seconds
count=7 first=127000 curr=66000 min=66000 max=127000 avg=76000.5 std=20000

Running benchmark for at least 10 iterations and at least 1 seconds
count=15 first=66700 curr=66800 min=66600 max=66900 avg=66750 std=40

Average inference timings in us: Warmup: 76000.5, Init: 9500, no stats: 66750
"""

#: 2021: the first inference, the delegate, memory; a mean in scientific notation.
GPU = """STARTING!
Log parameter values verbosely: [0]
Min num runs: [50]
Use gpu: [1]
INFO: Initialized TensorFlow Lite runtime.
INFO: Created TensorFlow Lite delegate for GPU.
INFO: Created 1 GPU delegate kernels.
Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.
The input model file size (MB): 7.07
Initialized session in 870.5ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
count=4 first=130500 curr=120800 min=117300 max=130500 avg=122300 std=4900

Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
count=50 first=119200 curr=118000 min=113700 max=124700 avg=1.195e+05 std=1900

Inference timings in us: Init: 870500, First inference: 130500, Warmup (avg): 122300, Inference (avg): 1.195e+05
Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE.
Memory footprint delta from the start of the tool (MB): init=80.5 overall=96.25
"""

#: 2024: each line with its severity, percentiles, and a delegate that takes a part.
PART = """INFO: STARTING!
INFO: Graph: [/data/local/tmp/m.tflite]
INFO: Loaded model /data/local/tmp/m.tflite
INFO: Created TensorFlow Lite delegate for GPU.
WARNING: Following operations are not supported by GPU delegate:
ARG_MAX: Operation is not supported.
GATHER_ND: Operation is not supported.
97 operations will run on the GPU, and the remaining 20 operations will run on the CPU.
VERBOSE: Replacing 97 out of 117 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 5 partitions.
INFO: Explicitly applied GPU delegate, and the model graph will be partially executed by the delegate \
w/ 2 delegate kernels.
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
VERBOSE: Replacing 18 out of 22 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 7 partitions.
INFO: Initialized session in 412.3ms.
INFO: Running benchmark for at least 1 iterations and at least 0 seconds but terminate if exceeding 150 seconds.
INFO: count=1 curr=22110 p5=22110 median=22110 p95=22110

INFO: Running benchmark for at least 50 iterations and at least 0 seconds but terminate if exceeding 150 seconds.
INFO: count=50 first=9100 curr=8900 min=8700 max=9900 avg=9001.2 std=140 p5=8800 median=8950 p95=9400

INFO: Inference timings in us: Init: 412300, First inference: 22110, Warmup (avg): 22110, Inference (avg): 9001.2
INFO: Memory footprint delta from the start of the tool (MB): init=30 overall=32.5
"""

#: LiteRT's CompiledModel binary: milliseconds.
LITERT = """INFO: [benchmark_model.cc] Running benchmark for at least 50 iterations and at least 1 seconds.
count=50 first=4100 curr=4000 min=3900 max=4900 avg=4050 std=110 p5=3950 median=4020 p95=4400

INFO: [benchmark_litert_model.h:61]
========== BENCHMARK RESULTS ==========
INFO: [benchmark_litert_model.h:62] Model initialization: 45.32 ms
INFO: [benchmark_litert_model.h:63] Warmup (first):       12.50 ms
INFO: [benchmark_litert_model.h:65] Warmup (avg):         9.75 ms (2 runs)
INFO: [benchmark_litert_model.h:67] Inference (avg):      4.05 ms (50 runs)
INFO: [benchmark_litert_model.h:71] Inference (min):      3.90 ms
INFO: [benchmark_litert_model.h:80] Throughput:           35.10 MB/s
INFO: [benchmark_litert_model.h:91] Overall footprint:    32.50 MB
======================================
"""

#: The delegate took nothing: what is timed is the CPU.
NOTHING = """INFO: STARTING!
INFO: NNAPI delegate created.
INFO: Though NNAPI delegate is explicitly applied, the model graph will not be executed by the delegate.
INFO: Initialized session in 20ms.
count=50 first=9100 curr=8900 min=8700 max=9900 avg=9000 std=140
INFO: Inference timings in us: Init: 20000, First inference: 9100, Warmup (avg): 9100, Inference (avg): 9000
"""

#: A platform without the delegate says so and goes on upon the CPU.
UNSUPPORTED = """INFO: STARTING!
WARNING: GPU acceleration is unsupported on this platform.
INFO: Initialized session in 20ms.
count=50 first=9100 curr=8900 min=8700 max=9900 avg=9000 std=140
INFO: Inference timings in us: Init: 20000, First inference: 9100, Warmup (avg): 9100, Inference (avg): 9000
"""

#: The delegate cannot be made.
FAILED = """INFO: STARTING!
INFO: Created TensorFlow Lite delegate for GPU.
ERROR: Can not open OpenCL library on this device - dlopen failed: library "libOpenCL.so" not found
ERROR: Falling back to OpenGL
ERROR: Failed to apply GPU delegate.
ERROR: Benchmarking failed.
"""

#: `--help` of tensorflow's binary since July 2022, of that before, and of LiteRT's.
USAGE = """usage: /data/local/tmp/benchmark_model <flags>
Flags:
\t--num_runs=50                 \tint32\toptional\texpected number of runs
\t--num_threads=-1              \tint32\toptional\tnumber of threads
\t--graph=                      \tstring\toptional\tgraph file name
\t--input_layer=                \tstring\toptional\tinput layer names
\t--input_layer_value_files=    \tstring\toptional\tfiles of input values
{outputs}\t--use_gpu=false               \tbool\toptional\tuse gpu
\t--gpu_precision_loss_allowed=true\tbool\toptional\tallow fp16
\t--use_nnapi=false             \tbool\toptional\tuse nnapi delegate api
ERROR: Benchmarking failed.
"""
USAGES = {
    "new": USAGE.format(outputs="\t--output_filepath=            \tstring\toptional\tfile for outputs\n"),
    "old": USAGE.format(outputs=""),
    "litert": "Flags:\n\t--graph=\tstring\n\t--use_cpu=true\tbool\n\t--use_gpu=false\tbool\n\t--use_npu=false\tbool\n",
}
