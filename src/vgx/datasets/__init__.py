"""Data to look at gradients with.

`handwritten` has the digits and MNIST as arrays; `mnist_files` finds, fetches and verifies the files of the latter.
`synthetic` draws the adding problem.
"""

from vgx.datasets.handwritten import Dataset, digits, mnist
from vgx.datasets.synthetic import Sequences, adding_problem

__all__ = ["Dataset", "Sequences", "adding_problem", "digits", "mnist"]
