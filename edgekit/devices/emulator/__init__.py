"""An Edge TPU that is none: the delegate, emulated."""
