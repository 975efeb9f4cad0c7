"""Training the last layer of a classifier: weight imprinting and softmax regression."""
