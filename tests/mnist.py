"""Tests that need the real MNIST, and images that stand in for it in the others."""

import numpy as np
import pytest

from vgx.datasets import mnist_files

needs_mnist = pytest.mark.skipif(
    not mnist_files.are_here(), reason="needs MNIST: VGX_DATA_DIR is unset, and the cache does not hold it"
)


def tiny_files() -> dict[str, bytes]:
    """Write five images and labels a split in MNIST's format."""
    rng, files = np.random.default_rng(0), {}
    for split in ("train", "t10k"):
        images = rng.integers(0, 256, (5, 28, 28), dtype=np.uint8)
        header = np.array([0x803, 5, 28, 28], dtype=">u4")
        files[f"{split}-images-idx3-ubyte"] = header.tobytes() + images.tobytes()
        files[f"{split}-labels-idx1-ubyte"] = np.array([0x801, 5], dtype=">u4").tobytes() + bytes(range(5))
    return files
