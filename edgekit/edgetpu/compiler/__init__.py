"""The closed compiler: run, read, explained, handed on."""
