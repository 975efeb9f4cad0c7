"""Running a model that was cut into segments, one on each Edge TPU."""
