"""A stand-in for adb and a phone, for tests: a folder is the phone's disk, and commands run in this machine's shell.

EDGEKIT_FAKE_PHONE names a folder: `phone.json` says how it behaves, `disk` is its disk. What is pushed as
`benchmark_model` becomes a call of tests/support/fake_benchmark.py. It is started some hundred times: what few calls
need is imported there.
"""

import json
import os
import sys

HOME = os.environ["EDGEKIT_FAKE_PHONE"]
DISK = os.path.join(HOME, "disk")
BINARY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fake_benchmark.py")


def _here(text):
    """Paths of the phone as paths in its folder."""
    for top in ("/data/", "/sys/", "/proc/"):
        text = text.replace(top, f"{DISK}{top}")
    return text


def _refuse(text):
    sys.stderr.write(f"{text}\n")
    sys.exit(1)


def _shell(command, phone):
    for part, answer in phone.get("shell", {}).items():  # what a faulty phone's shell says
        if part in command:
            print(answer)
            print("edgekit-exit:1")
            return
    names = "; ".join(f"{name}) echo '{value}';;" for name, value in phone["props"].items()).replace(";;;", ";;")
    getprop = f"getprop() {{ case $1 in {names} esac; }}\n"
    program = getprop + _here(command)
    os.execvp("sh", ["sh", "-c", program])


def _push(source, there, phone):
    import shutil
    from pathlib import Path

    if "push" in phone:
        _refuse(phone["push"])
    target = Path(_here(there))
    target.parent.mkdir(parents=True, exist_ok=True)
    if there.endswith("/benchmark_model"):
        target.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{BINARY}" "$@"\n')
    elif Path(source).is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)
    print(f"{source}: 1 file pushed, 0 skipped. 20.1 MB/s")


def main(arguments):
    with open(os.path.join(HOME, "phone.json")) as stream:
        phone = json.load(stream)
    if arguments == ["devices"]:
        print("* daemon not running; starting now at tcp:5037\n* daemon started successfully\nList of devices attached")
        print("".join(f"{serial}\t{state}\n" for serial, state in phone["devices"].items()))
        return
    assert arguments[0] == "-s" and arguments[1] in phone["devices"], arguments
    verb, rest = arguments[2], arguments[3:]
    if "adb" in phone:
        _refuse(phone["adb"])
    if verb == "shell":
        _shell(rest[0], phone)
    elif verb == "push":
        _push(*rest, phone)
    elif verb == "pull":
        import shutil

        shutil.copytree(_here(rest[0]), rest[1])


main(sys.argv[1:])
