"""Training the last blocks of a base in Keras, from what the blocks before them make of augmented images."""
