"""Normalizations by the statistics of what they are given: forward and backward one under the other.

They differ in two facts only: which axis the statistics are taken over, and whether the mean is subtracted.
"""

from dataclasses import dataclass

import numpy as np

from vgx.arguments import real_number
from vgx.normalization.cache import BATCH, WIDTH, Cache, checked, checked_gradient, standard_deviation
from vgx.registry import Registry


@dataclass(frozen=True)
class Normalization:
    r"""A normalization that takes its statistics from the x that it is given.

    .. math::
        \hat x = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}, \qquad y = \gamma \hat x + \beta,

    where :math:`\mu` and :math:`\sigma^2` are the mean and the (biased) variance over one axis: for each unit over
    the batch ("batch", in training mode; evaluation mode is `batch_eval`), or for each input over the units ("layer").
    "rms" is "layer" with :math:`\mu = 0`, so that :math:`\sigma^2` is the mean square.

    Parameters
    ----------
    name : str
        Its name in ``normalizations``.
    latex : str
        The formula of y.
    axis : int
        Of the statistics: -2, the batch, or -1, the width.
    centred : bool
        Whether the mean is subtracted.

    References
    ----------
    Ioffe and Szegedy (2015), Batch normalization. Ba, Kiros and Hinton (2016), Layer normalization. Zhang and Sennrich
    (2019), Root mean square layer normalization (which has neither ε nor β).

    Examples
    --------
    >>> x = np.array([[1.0, 20.0], [3.0, 10.0]])
    >>> for name, normalization in normalizations.items():
    ...     y, cache = normalization.forward(x)
    ...     print(name, *y.round(3))
    batch [-1.  1.] [ 1. -1.]
    layer [-1.  1.] [-1.  1.]
    rms [0.071 1.412] [0.406 1.355]
    """

    name: str
    latex: str
    axis: int
    centred: bool

    def forward(
        self,
        x: np.ndarray,
        *,
        gain: float | np.ndarray = 1.0,
        shift: float | np.ndarray = 0.0,
        eps: float = 1e-5,
    ) -> tuple[np.ndarray, Cache]:
        """Normalize x.

        What overflows, in x or in its square, gives NaN; a value that does not vary gives `shift`.

        Parameters
        ----------
        x : ndarray, shape (..., batch, width)
        gain, shift : float or ndarray, shape (..., width)
            γ and β, in the type of x.
        eps : float
            ε, in squared units of x; with 0 a value that does not vary gives NaN.

        Returns
        -------
        y : ndarray, shape (..., batch, width)
        cache : Cache
            For `backward`.

        Raises
        ------
        ValueError
            If a shape or eps is not what it must be, or "batch" has a batch of one: its deviation from itself is 0,
            whatever it is.
        """
        x, gain, shift = checked(x, gain=gain, shift=shift)
        eps = real_number("eps", eps, least=0)
        if self.axis == BATCH and x.shape[BATCH] < 2:
            raise ValueError(
                f"batch normalization in training mode needs more than one value a channel, got x of shape {x.shape}; "
                "batch_eval takes any number"
            )
        with np.errstate(all="ignore"):
            deviation = x - x.mean(self.axis, keepdims=True) if self.centred else x
            std = standard_deviation((deviation**2).mean(self.axis, keepdims=True), eps)
            x_hat = deviation / std
            return gain * x_hat + shift, Cache(x_hat, std, gain)

    def backward(self, dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Run the chain rule through `forward`: x̂ depends on x directly, through the mean and through the std.

        Parameters
        ----------
        dy : ndarray, shape (..., batch, width)
            Gradient of C with respect to y; leading axes broadcast.
        cache : Cache
            What `forward` of this normalization returned.

        Returns
        -------
        dx : ndarray, shape (..., batch, width)
        dgain, dshift : ndarray, shape (..., width)
            Summed over the batch.

        Raises
        ------
        ValueError
            If dy has another shape than y.
        """
        x_hat, std, gain = cache
        dy = checked_gradient(dy, cache)
        with np.errstate(all="ignore"):
            dx_hat = gain * dy
            through_mean = dx_hat.mean(self.axis, keepdims=True) if self.centred else 0.0
            through_std = x_hat * (dx_hat * x_hat).mean(self.axis, keepdims=True)
            dx = (dx_hat - through_mean - through_std) / std
            return dx, (dy * x_hat).sum(BATCH), dy.sum(BATCH)


normalizations: Registry[Normalization] = Registry(
    "normalization",
    [
        Normalization(
            "batch",
            r"\gamma \frac{x - \mu_\text{batch}}{\sqrt{\sigma^2_\text{batch} + \epsilon}} + \beta",
            axis=BATCH,
            centred=True,
        ),
        Normalization(
            "layer",
            r"\gamma \frac{x - \mu_\text{layer}}{\sqrt{\sigma^2_\text{layer} + \epsilon}} + \beta",
            axis=WIDTH,
            centred=True,
        ),
        Normalization(
            "rms",
            r"\gamma \frac{x}{\sqrt{\langle x^2 \rangle_\text{layer} + \epsilon}} + \beta",
            axis=WIDTH,
            centred=False,
        ),
    ],
)
