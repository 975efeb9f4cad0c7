"""10,000 requests from 8 clients on loopback: latency, errors, memory.

python benchmarks/serve.py MODEL.tflite IMAGE [--requests 10000] [--clients 8]
"""

import argparse
import http.client
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

PORT = 8765


def memory(pid):
    """Resident memory of a process in MB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


def client(image, requests):
    """(status, milliseconds) of each request over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
    answers = []
    for _ in range(requests):
        start = perf_counter()
        connection.request("POST", "/predict", image)
        response = connection.getresponse()
        response.read()
        answers.append((response.status, 1000 * (perf_counter() - start)))
    return answers


def measure(pid, image, requests, clients):
    """All answers, and the memory after each tenth of them."""
    answers, sizes = [], []
    with ThreadPoolExecutor(clients) as pool:
        for _ in range(10):
            for part in pool.map(client, [image] * clients, [requests // clients // 10] * clients):
                answers += part
            sizes.append(memory(pid))
    return answers, sizes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("image", type=Path)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    command = [sys.executable, "-m", "edgekit", "serve", options.model, "--port", str(PORT), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            json.loads("".join(iter(server.stdout.readline, "}\n")) + "}")
            start = perf_counter()
            answers, sizes = measure(server.pid, options.image.read_bytes(), options.requests, options.clients)
            seconds = perf_counter() - start
        finally:
            server.terminate()
    times = sorted(ms for _, ms in answers)
    errors = sum(status != 200 for status, _ in answers)
    print(f"{len(answers)} requests, {options.clients} clients: {len(answers) / seconds:.0f} a second, {errors} errors")
    print(f"p50 {times[len(times) // 2]:.1f} ms, p99 {times[len(times) * 99 // 100]:.1f} ms")
    print(f"memory after each tenth: {', '.join(f'{size:.0f}' for size in sizes)} MB; exit code {server.returncode}")


if __name__ == "__main__":
    main()
