"""EfficientNet-Lite in plain numpy and PyTorch's axes and names, written from the paper: slow and independent."""

import numpy as np


def forward(image, tensors, settings):
    """Probabilities for an image (height, width, 3).

    Args:
      tensors: PyTorch name → array.
      settings: (kernel, stride) of each block; everything else follows from the tensors' shapes.
    """
    x = relu6(bn(conv(image.transpose(2, 0, 1), tensors["_conv_stem.weight"], 2), tensors, "_bn0"))
    for number, (kernel, stride) in enumerate(settings):
        x = mbconv(x, tensors, f"_blocks.{number}.", kernel, stride)
    x = relu6(bn(conv(x, tensors["_conv_head.weight"], 1), tensors, "_bn1"))
    logits = tensors["_fc.weight"] @ x.mean((1, 2)) + tensors["_fc.bias"]
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()


def mbconv(x, tensors, prefix, kernel, stride):
    y = x
    if prefix + "_expand_conv.weight" in tensors:
        y = relu6(bn(conv(y, tensors[prefix + "_expand_conv.weight"], 1), tensors, prefix + "_bn0"))
    weight = tensors[prefix + "_depthwise_conv.weight"]
    assert weight.shape[1:] == (1, kernel, kernel)
    y = np.concatenate([conv(y[c : c + 1], weight[c : c + 1], stride) for c in range(len(y))])
    y = relu6(bn(y, tensors, prefix + "_bn1"))
    y = bn(conv(y, tensors[prefix + "_project_conv.weight"], 1), tensors, prefix + "_bn2")
    return x + y if x.shape == y.shape and stride == 1 else y


def conv(x, weight, stride):
    """Correlation of (in, height, width) with (out, in, k, k), padded as TensorFlow's SAME: more at the end."""
    kernel = weight.shape[-1]
    pads = [(0, 0)]
    for size in x.shape[1:]:
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads.append((total // 2, total - total // 2))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, pads), (kernel, kernel), (1, 2))
    return np.einsum("ihwkl,oikl->ohw", windows[:, ::stride, ::stride], weight)


def bn(x, tensors, prefix):
    gamma, beta, mean, variance = (
        tensors[f"{prefix}.{name}"][:, None, None] for name in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta


def relu6(x):
    return np.clip(x, 0, 6)
