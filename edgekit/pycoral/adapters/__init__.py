"""From the tensors of an interpreter to plain values: classes, objects, masks."""
