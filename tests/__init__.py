"""edgekit's tests. A package, so that no other one called `tests` that is installed can come before it."""
