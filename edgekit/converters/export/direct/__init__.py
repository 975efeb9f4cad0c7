"""From a Keras file to a float `.tflite` without TensorFlow: the configuration is read, not run."""
