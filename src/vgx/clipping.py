"""Gradient clipping: by the global norm, by each array's norm, by value, and adaptively, unit by unit.

Gradients are NumPy arrays or dense torch tensors: one, a list or tuple of them, or a mapping from names to them (or
pairs, as of ``named_parameters()``). They come back clipped in the same form, as new arrays, with what the rule looked
at. Given torch parameters instead, their ``grad`` is clipped in place, as `torch.nn.utils` does, and comes back; those
that have none are left out, and one that is listed twice counts once.

All raise FloatingPointError if there is NaN or inf and say where, with nothing changed; ValueError if a number is not
finite and above 0, or ``grads`` holds nothing, or something else than floating-point numbers, or sparse tensors.
"""

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from vgx.arguments import real_number

Array = Any  # ndarray or torch.Tensor
Grads = Array | Iterable[Array] | Mapping[str, Array]


def clip_by_norm(grads: Grads, max_norm: float) -> tuple[Grads, float]:
    """Shorten the gradient to a length of at most ``max_norm``: its direction stays.

    Parameters
    ----------
    grads
        The gradient g: all arrays together are one vector.
    max_norm : float
        Greatest length c.

    Returns
    -------
    clipped : as grads
        g min(1, c/‖g‖). What is no longer than ``max_norm`` comes back as it was. So that rounding does not lengthen
        it, each array is shorter by up to one spacing of its type (0.8 % in bfloat16, 10⁻⁷ in float32).
    total_norm : float
        ‖g‖ before clipping, also where squares overflow or underflow.

    References
    ----------
    Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks.

    Examples
    --------
    >>> clipped, norm = clip_by_norm({"w": np.array([3.0, 0.0]), "b": np.array([4.0])}, 1.0)
    >>> norm, clipped["w"].round(3).tolist(), clipped["b"].round(3).tolist()
    (5.0, [0.6, 0.0], [0.8])
    """
    max_norm = real_number("max_norm", max_norm, above=0.0)
    held, arrays, put_back = _taken(grads)
    whole = np.concatenate([array.ravel() for array in arrays])
    room = np.repeat([_spacing(each) for each in held.values()], [array.size for array in arrays])
    short, norm = _shortened(whole, max_norm, room)
    parts = np.split(short, np.cumsum([array.size for array in arrays])[:-1])
    return put_back([part.reshape(array.shape) for part, array in zip(parts, arrays, strict=True)]), norm.item()


def clip_each_by_norm(grads: Grads, max_norm: float) -> tuple[Grads, list[float]]:
    """Shorten each array to a length of at most ``max_norm``: the direction of the whole may turn.

    As `clip_by_norm`, but returns the list of the arrays' norms before clipping.
    """
    max_norm = real_number("max_norm", max_norm, above=0.0)
    held, arrays, put_back = _taken(grads)
    pairs = [_shortened(g, max_norm, _spacing(x)) for g, x in zip(arrays, held.values(), strict=True)]
    return put_back([short for short, _ in pairs]), [norm.item() for _, norm in pairs]


def clip_by_value(grads: Grads, limit: float) -> tuple[Grads, float]:
    """Cut every entry to [-limit, limit]: the direction may turn.

    Parameters
    ----------
    grads
        The gradient.
    limit : float
        Greatest size of an entry.

    Returns
    -------
    clipped : as grads
        Where the array's type has no number ``limit``, the next one below it is the limit.
    share : float
        Share of the entries that were cut.
    """
    limit = real_number("limit", limit, above=0.0)
    held, arrays, put_back = _taken(grads)
    n_cut, n_entries = sum(int((abs(array) > limit).sum()) for array in arrays), sum(array.size for array in arrays)
    limits = [_rounded_down(limit, each) for each in held.values()]
    clipped = [array.clip(-most, most) for array, most in zip(arrays, limits, strict=True)]
    return put_back(clipped), n_cut / max(n_entries, 1)


def clip_adaptively(
    grads: Grads, weights: Grads, limit: float = 0.01, eps: float = 1e-3
) -> tuple[Grads, list[np.ndarray]]:
    """Shorten the gradient of each unit to ``limit`` times the length of the unit's weights.

    A unit's weights are a column of W in NumPy, ``(..., fan_in, fan_out)``, and in torch all but the first axis:
    ``(fan_out, fan_in)``, ``(fan_out, fan_in, height, width)``. NumPy kernels must be given as ``(height * width *
    fan_in, fan_out)``. A vector, such as the biases, is taken whole; weights of fan-in 1 are not (in the paper's code
    they are). The paper leaves the last linear layer unclipped: leave it out of ``grads``.

    Parameters
    ----------
    grads
        The gradient G, or torch parameters.
    weights
        The weights W, arrays of the same names and shapes; for parameters, the same parameters.
    limit : float
        λ. Where ‖G‖ / max(‖W‖, ε) > λ, a unit's gradient becomes λ max(‖W‖, ε) G / ‖G‖. The paper's 0.01 is for
        batches of 1024 to 4096.
    eps : float
        ε lets weights grow that are 0.

    Returns
    -------
    clipped : as grads
    ratios : list of array
        ‖G‖ / max(‖W‖, ε) before clipping, of each array's units.

    References
    ----------
    Brock, De, Smith and Simonyan (2021), High-performance large-scale image recognition without normalization, eq. 3.
    """
    limit, eps = real_number("limit", limit, above=0.0), real_number("eps", eps, above=0.0)
    held, arrays, put_back = _taken(grads)
    whose, _ = _listed("weights", weights)
    clipped, ratios = [], []
    for (key, gradient), g in zip(held.items(), arrays, strict=True):
        weight = whose.get(key)
        if not _is_array(weight) or (_is_tensor(weight), weight.shape) != (_is_tensor(gradient), gradient.shape):
            name = _called("weights", key)
            raise ValueError(f"{name} must be as its gradient, {_kind(gradient)}, got {_kind(weight)}")
        axes = None if g.ndim < 2 else tuple(range(1, g.ndim)) if _is_tensor(weight) else (-2,)
        size = np.maximum(_shortened(_numbers("weights", {key: weight})[0], 1.0, 0.0, axes)[1], eps)
        short, norm = _shortened(g, limit * size, _spacing(gradient), axes)
        clipped.append(short)
        ratios.append(np.squeeze(norm / size, axes))
    return put_back(clipped), ratios


def _shortened(
    g: np.ndarray, longest: float | np.ndarray, spacing: float | np.ndarray, axes: tuple[int, ...] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``g``, its vectors along ``axes`` no longer than ``longest``, and their norms before.

    The greatest entry is taken out first, so that no square overflows. Room is left for rounding up.
    """
    greatest = abs(g).max(axes, keepdims=True, initial=0.0)
    units = g / np.where(greatest, greatest, 1.0)
    length = np.maximum(np.sqrt(np.square(units).sum(axes, keepdims=True)), 1.0)
    with np.errstate(over="ignore"):
        norm = greatest * length
    room = 1 - spacing - 16 * np.finfo(float).eps
    return np.where(norm > longest, units * (longest * room / length), g), norm


def _taken(grads: Grads) -> tuple[dict[Any, Array], list[np.ndarray], Callable[[list[np.ndarray]], Grads]]:
    """Return the gradients by key, as numbers, and what brings clipped numbers into the form of ``grads``."""
    given, form = _listed("grads", grads)
    once = {id(each): key for key, each in reversed(given.items())}  # tied weights: the first of their names
    given = {key: each for key, each in given.items() if not _is_parameter(each) or once[id(each)] == key}
    held = {key: each.grad if _is_parameter(each) else each for key, each in given.items()}
    held = {key: each for key, each in held.items() if each is not None or given[key] is None}
    if not held:
        raise ValueError("grads holds no gradient: it is empty, or its parameters have none before backward()")

    def put_back(clipped: list[np.ndarray]) -> Grads:
        news = {}
        for (key, each), array in zip(held.items(), clipped, strict=True):
            new = each.new_tensor(array) if _is_tensor(each) else np.array(array, dtype=each.dtype)
            news[key] = each.detach().copy_(new) if _is_parameter(given[key]) else new
        return form(news)

    return held, _numbers("grads", held), put_back


def _listed(name: str, given: Any) -> tuple[dict[Any, Any], Callable[[dict], Any]]:
    """Return what is given by key, and what makes the same form of other values."""
    if _is_array(given):
        return {None: given}, lambda news: news[None]
    if isinstance(given, Mapping):
        return dict(given), dict
    if isinstance(given, Iterable):
        is_tuple, given = isinstance(given, tuple), list(given)
        if given and all(isinstance(each, tuple) and len(each) == 2 and isinstance(each[0], str) for each in given):
            return dict(given), dict
        return dict(enumerate(given)), lambda news: (tuple if is_tuple else list)(news.values())
    raise ValueError(f"{name} must be an array, or a list, tuple or mapping of arrays, got {given!r}")


def _numbers(name: str, held: Mapping[Any, Array]) -> list[np.ndarray]:
    """Return arrays in double precision, if they are arrays of finite floating-point numbers."""
    arrays, ill = [], []
    for key, each in held.items():
        if not _is_array(each) or not (each.is_floating_point() if _is_tensor(each) else each.dtype.kind == "f"):
            raise ValueError(f"{_called(name, key)} must be an array of floating-point numbers, got {_kind(each)}")
        if _is_tensor(each) and each.layout is not sys.modules["torch"].strided:
            raise ValueError(f"{_called(name, key)} must be dense (see Tensor.to_dense), got {each.layout}")
        array = each.detach().cpu().double().numpy() if _is_tensor(each) else np.asarray(each, float)
        if not np.isfinite(array).all():
            counts = f"{np.isnan(array).sum()} NaN and {np.isinf(array).sum()} infinite of {array.size} entries"
            ill.append(f"{_called(name, key)}: {counts}")
        arrays.append(array)
    if ill:
        raise FloatingPointError(f"not finite, nothing was clipped: {'; '.join(ill)}")
    return arrays


def _spacing(held: Array) -> float:
    """Return the distance from 1 to the next number of this type."""
    return float(_finfo(held).eps)


def _rounded_down(limit: float, held: Array) -> float:
    """Return the greatest number of this type that is not above ``limit``."""
    binade = max(2.0 ** (math.frexp(limit)[1] - 1), float(_finfo(held).smallest_normal))
    return limit // (binade * _spacing(held)) * (binade * _spacing(held))


def _finfo(held: Array) -> Any:
    return (sys.modules["torch"] if _is_tensor(held) else np).finfo(held.dtype)


def _is_array(given: Any) -> bool:
    return isinstance(given, np.ndarray | np.generic) or _is_tensor(given)


def _is_tensor(given: Any) -> bool:
    torch = sys.modules.get("torch")  # whoever has a tensor has imported it
    return torch is not None and isinstance(given, torch.Tensor)


def _is_parameter(given: Any) -> bool:
    is_leaf = _is_tensor(given) and given.is_leaf and given.requires_grad
    return is_leaf or (_is_tensor(given) and isinstance(given, sys.modules["torch"].nn.Parameter))  # may be frozen


def _called(name: str, key: Any) -> str:
    return name if key is None else f"{name}[{key!r}]"


def _kind(given: Any) -> str:
    if not _is_array(given):
        return repr(given)
    return f"{'tensor' if _is_tensor(given) else 'array'} of {given.dtype} and shape {tuple(given.shape)}"
