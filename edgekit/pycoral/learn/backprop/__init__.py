"""The last layer trained by gradient descent."""
