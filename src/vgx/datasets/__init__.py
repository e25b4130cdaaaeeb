"""Data to look at gradients with.

`handwritten` has the digits and MNIST as arrays; `mnist_files` finds, fetches and verifies the files of the latter.
"""

from vgx.datasets.handwritten import Dataset, digits, mnist

__all__ = ["Dataset", "digits", "mnist"]
