"""What the practice lab measures: what is left of 1 after many factors."""

import numpy as np

from vgx.arguments import real_number, whole_number
from vgx.registry import unknown_name

DEEPEST = 50
PATTERNS = ("all_alike", "alternating")


def repeated_factor(factor: float, depth: int, pattern: str, exponent: bool) -> dict[str, np.ndarray]:
    """Multiply 1 by a factor again and again.

    Parameters
    ----------
    factor : float
        Greater than 0.
    depth : int
        How many factors, at most 50.
    pattern : str
        ``all_alike``: every factor is ``factor``. ``alternating``: in turn ``factor`` and ``1 / factor``.
    exponent : bool
        Count in powers of ten.

    Returns
    -------
    dict
        ``product``: what is left after 0, 1, ..., ``depth`` factors, of shape (depth + 1,); ``shown``: the same, or
        its power of ten.

    Raises
    ------
    ValueError
        If the factor is not a finite number above 0, the depth no whole number from 1 to 50, or the pattern unknown.
    """
    real_number("factor", factor, above=0)
    if whole_number("depth", depth, least=1) > DEEPEST:
        raise ValueError(f"depth must be at most {DEEPEST}, got {depth}")
    if pattern not in PATTERNS:
        raise ValueError(unknown_name("pattern", pattern, PATTERNS))
    count = np.arange(depth + 1)
    powers = count * np.log10(factor) if pattern == "all_alike" else count % 2 * np.log10(factor)
    product = 10.0**powers
    return {"product": product, "shown": powers if exponent else product}
