"""Which ranges and corrections bring the int8 scores nearest."""
