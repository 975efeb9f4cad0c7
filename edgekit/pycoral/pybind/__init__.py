"""Where pycoral has its native code."""
