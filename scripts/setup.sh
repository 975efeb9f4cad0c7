# Sourced by ./demo and ./test: makes .venv with this checkout and the extras named in `$extras`, and sets `$venv`.

venv=.venv

say() { printf '%s\n' "$*" >&2; }

find_python() {
    for candidate in python3 python3.13 python3.12 python3.11 python3.10; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
    say "Missing: Python 3.10 to 3.13 (TensorFlow has none newer). On Debian: apt install python3 python3-venv python3-pip"
    exit 2
}

if [ ! -x "$venv/bin/python" ]; then
    python=$(find_python) || exit 2
    if ! "$python" -m venv "$venv" 2>/dev/null; then
        rm -rf "$venv"
        say "Missing: the venv module of $python. On Debian: apt install python3-venv python3-pip"
        exit 2
    fi
fi

wanted="$extras $(cksum < setup.cfg)"
if [ "$(cat "$venv/.edgekit-extras-$extras" 2>/dev/null)" != "$wanted" ]; then
    say "Installing edgekit with its extras $extras into $venv (once; some minutes) ..."
    if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".[$extras]" >"$venv/install.log" 2>&1; then
        tail -n 5 "$venv/install.log" >&2
        say "The installation failed; the whole log is in $venv/install.log. Is a package index within reach?"
        exit 2
    fi
    printf '%s' "$wanted" > "$venv/.edgekit-extras-$extras"
fi
