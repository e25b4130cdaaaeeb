"""Clipping against torch and exact arithmetic: what stays, what is cut, what is reported."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from vgx import Network, clip_by_norm, clip_by_value
from vgx.clipping import clip_adaptively, clip_each_by_norm

INF, NAN = math.inf, math.nan
RULES = [clip_by_norm, clip_each_by_norm, clip_by_value, lambda grads, limit: clip_adaptively(grads, grads, limit)]


def entries(largest, width=64):
    return st.floats(-largest, largest, width=width, allow_subnormal=False)


vectors = st.lists(arrays(float, array_shapes(max_dims=3, max_side=4), elements=entries(1e100)), min_size=1, max_size=4)
limits = st.floats(1e-30, 1e30)


def flat(grads):
    grads = list(grads.values()) if isinstance(grads, dict) else [grads] if hasattr(grads, "shape") else grads
    return np.concatenate([np.asarray(each, float).ravel() for each in grads])


def exact_square(grads):
    return sum(Fraction(float(each)) ** 2 for each in flat(grads))


# --- by the global norm ---


@settings(deadline=None)
@given(grads=vectors, limit=limits)
@example(grads=[np.array([3.0]), np.array([4.0])], limit=1.0)
@example(grads=[np.full(4, 0.1)], limit=0.1)
def test_by_norm_the_direction_stays_and_the_length_is_at_most_the_limit(grads, limit):
    g = flat(grads)
    clipped, norm = clip_by_norm(grads, limit)
    squared = exact_square(grads)
    assert norm == pytest.approx(float(np.linalg.norm(g / max(abs(g).max(), 1e-300))) * abs(g).max(), rel=1e-14)
    if norm <= limit:
        assert all(np.array_equal(a, b) for a, b in zip(clipped, grads, strict=True))
        return
    assert exact_square(clipped) <= Fraction(limit) ** 2  # without any rounding of the check's own
    assert np.linalg.norm(flat(clipped)) <= limit
    assert exact_square(clipped) >= (Fraction(limit) * (1 - Fraction(1, 10**13))) ** 2
    unit = g / abs(g).max()
    turned = flat(clipped) / limit - unit / np.linalg.norm(unit)
    assert np.linalg.norm(turned) < 1e-12
    assert squared > 0


@settings(deadline=None)
@given(g=arrays(np.float32, 5, elements=entries(2.0**100, 32)), limit=st.floats(1e-15, 1e15))
def test_in_single_precision_too_the_length_is_at_most_the_limit(g, limit):
    clipped, norm = clip_by_norm(g, limit)
    assume(norm > limit)
    assert clipped.dtype == np.float32
    assert exact_square(clipped) <= Fraction(limit) ** 2
    assert exact_square(clipped) >= (Fraction(limit) * Fraction(999_999, 1_000_000)) ** 2


def test_in_a_list_of_several_types_each_is_shortened_by_its_own_rounding():
    coarse, fine = torch.full((2,), 9.0, dtype=torch.bfloat16), torch.full((2,), 9.0, dtype=torch.float64)
    clipped, _ = clip_by_norm([coarse, fine], 1.0)
    assert clipped[1].tolist() == pytest.approx([0.5, 0.5], rel=1e-14)
    assert 0.5 * (1 - 2**-7) <= clipped[0][0].item() <= 0.5
    assert exact_square([each.double().numpy() for each in clipped]) <= 1


@given(grads=vectors, limit=limits)
@settings(deadline=None, max_examples=50)
def test_what_was_clipped_is_not_clipped_again(grads, limit):
    once, _ = clip_by_norm(grads, limit)
    twice, norm = clip_by_norm(once, limit)
    assert norm <= limit
    assert all(np.array_equal(a, b) for a, b in zip(once, twice, strict=True))


@pytest.mark.parametrize(
    ("g", "limit", "norm", "wanted"),
    [
        ([1e200, 1e200], 1.0, 2**0.5 * 1e200, [0.5**0.5, 0.5**0.5]),
        ([1e-200, -1e-200], 1e-210, 2**0.5 * 1e-200, [0.5**0.5 * 1e-210, -(0.5**0.5) * 1e-210]),
        ([1.7e308, 1.7e308, 1.7e308, 1.7e308], 2.0, INF, [1.0, 1.0, 1.0, 1.0]),  # the norm overflows, no entry does
        ([1e200, 1e-200], 1.0, 1e200, [1.0, 0.0]),
        ([0.0, 0.0], 1.0, 0.0, [0.0, 0.0]),
    ],
)
def test_no_square_overflows_or_underflows(g, limit, norm, wanted):
    clipped, found = clip_by_norm(np.array(g), limit)
    assert found == pytest.approx(norm, rel=1e-14)
    np.testing.assert_allclose(clipped, wanted, rtol=1e-13, atol=1e-300)


def test_in_single_precision_no_square_overflows_or_underflows():
    for size in (1e30, 1e-30):
        g = np.full(2, size, dtype=np.float32)
        clipped, norm = clip_by_norm([g, torch.tensor(g)], 1e-3 * size)
        assert norm == pytest.approx(2 * size, rel=1e-6)
        np.testing.assert_allclose(flat(clipped), 5e-4 * size, rtol=1e-6)
    assert not np.square(g).any()


# --- as torch ---


def parameters(*shapes, seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    made = [torch.nn.Parameter(torch.randn(shape, dtype=dtype)) for shape in shapes]
    for each in made:
        each.grad = torch.randn_like(each) * 10
    return made


@pytest.mark.parametrize("max_norm", [1e-3, 1.0, 25.0, 1e3])
def test_by_norm_as_torch_up_to_what_it_adds_to_the_norm(max_norm):
    ours, theirs = parameters((3, 4), (4,), (2, 3, 3)), parameters((3, 4), (4,), (2, 3, 3))
    before = [each.grad for each in ours]
    clipped, norm = clip_by_norm(ours, max_norm)
    assert norm == pytest.approx(torch.nn.utils.clip_grad_norm_(theirs, max_norm).item(), rel=1e-14)
    added = 1 + 1e-6 / norm if norm > max_norm else 1.0
    for mine, yours, grad, same in zip(ours, theirs, before, clipped, strict=True):
        torch.testing.assert_close(mine.grad, yours.grad * added, rtol=1e-13, atol=0)
        assert mine.grad is grad is not same  # in place
        assert same.data_ptr() == grad.data_ptr()


def test_by_value_as_torch():
    ours, theirs = parameters((30, 4), (4,)), parameters((30, 4), (4,))
    sizes = torch.cat([each.grad.abs().ravel() for each in ours])
    clipped, share = clip_by_value((each for each in ours), 6.0)
    torch.nn.utils.clip_grad_value_(theirs, 6.0)
    assert share == (sizes > 6).double().mean().item()
    assert 0.4 < share < 0.7
    for mine, yours, same in zip(ours, theirs, clipped, strict=True):
        assert torch.equal(mine.grad, yours.grad)
        assert torch.equal(mine.grad, same)


def test_parameters_without_a_gradient_are_left_out():
    named = dict(zip("abc", parameters((2,), (3,), (4,)), strict=True))
    named["b"].grad = None
    named["c"].requires_grad_(False)  # frozen, with a gradient from before
    clipped, _ = clip_by_norm(named, 1.0)
    assert list(clipped) == ["a", "c"]
    assert named["b"].grad is None
    assert torch.cat([named["a"].grad, named["c"].grad]).norm().item() == pytest.approx(1, abs=1e-14)
    tensor = torch.ones(4, requires_grad=True)  # to be trained as well, if no Parameter
    (3 * tensor).sum().backward()
    assert clip_by_norm(tensor, 1.0)[1] == 6.0
    torch.testing.assert_close(tensor.grad, torch.full((4,), 0.5), rtol=2e-7, atol=0)
    gradient = torch.ones(4, requires_grad=True) * 3  # of a graph: a gradient, not a parameter
    assert clip_by_norm(gradient, 1.0)[1] == 6.0


def test_a_parameter_listed_twice_counts_once():
    """As `model.parameters()` yields tied weights; torch's clipping of such a list counts and shortens them twice."""
    (w,) = parameters((2,))
    w.grad = torch.tensor([3.0, 4.0], dtype=torch.float64)
    clipped, norm = clip_by_norm([w, w], 1.0)
    assert (norm, len(clipped)) == (5.0, 1)
    assert w.grad.tolist() == pytest.approx([0.6, 0.8], rel=1e-14)
    g = np.array([3.0, 4.0])
    assert clip_by_norm([g, g], 1.0)[1] == pytest.approx(50**0.5)  # arrays are what they are


def test_named_parameters_are_a_mapping():
    model = torch.nn.Linear(2, 2)
    model(torch.ones(1, 2)).sum().backward()
    clipped, norm = clip_by_norm(model.named_parameters(), 1.0)
    assert list(clipped) == ["weight", "bias"]
    assert norm == pytest.approx(6**0.5, rel=1e-6)
    assert len(clip_adaptively(model.named_parameters(), model.named_parameters())[1]) == 2


# --- what is not finite ---


def test_torch_turns_a_gradient_that_is_not_finite_into_zeros_and_nan():
    """The reason why ours doesn't: one infinite entry zeroes all others, one NaN spreads to all."""
    after = {}
    for bad in (INF, NAN):
        a, b = parameters((2,), (2,))
        a.grad[0] = bad
        torch.nn.utils.clip_grad_norm_([a, b], 1.0)
        after[bad] = [*a.grad.tolist(), *b.grad.tolist()]
    assert str([abs(each) for each in after[INF]]) == "[nan, 0.0, 0.0, 0.0]"
    assert str(after[NAN]) == "[nan, nan, nan, nan]"
    a.grad = torch.tensor([INF, NAN], dtype=torch.float64)
    torch.nn.utils.clip_grad_value_([a], 1.0)
    assert str(a.grad.tolist()) == "[1.0, nan]"


@pytest.mark.parametrize("clip", RULES)
@pytest.mark.parametrize("kind", ["array", "tensor", "parameter"])
def test_a_gradient_that_is_not_finite_is_reported_and_nothing_changed(clip, kind):
    values = {"w": [[1e3, NAN], [NAN, -INF]], "b": [5.0, 6.0], "v": [INF, 7.0]}
    grads = {name: np.array(value) if kind == "array" else torch.tensor(value) for name, value in values.items()}
    held = grads
    if kind == "parameter":
        held = {name: torch.nn.Parameter(torch.ones_like(grad)) for name, grad in grads.items()}
        for name, each in held.items():
            each.grad = grads[name]
    with pytest.raises(FloatingPointError) as error:
        clip(held, 1.0)
    assert str(error.value) == ("not finite, nothing was clipped: grads['w']: 2 NaN and 1 infinite of 4 entries; "
                                "grads['v']: 0 NaN and 1 infinite of 2 entries")  # fmt: skip
    assert str({name: grad.tolist() for name, grad in grads.items()}) == str(values)


# --- by each norm, by value ---


def test_each_array_by_its_own_norm():
    grads = [np.array([3.0, 4.0]), np.array([[0.3], [0.4]]), np.zeros(2)]
    clipped, norms = clip_each_by_norm(grads, 1.0)
    assert norms == pytest.approx([5.0, 0.5, 0.0])
    np.testing.assert_allclose(clipped[0], [0.6, 0.8], rtol=1e-14)
    assert np.array_equal(clipped[1], grads[1])
    cosine = flat(clipped) @ flat(grads) / np.linalg.norm(flat(clipped)) / np.linalg.norm(flat(grads))
    assert cosine == pytest.approx(5.25 / math.sqrt(1.25 * 25.25))  # it has turned by 21°


@given(grads=vectors, limit=limits)
@settings(deadline=None, max_examples=50)
def test_by_value_each_entry_is_the_nearest_within_the_limit(grads, limit):
    clipped, share = clip_by_value(grads, limit)
    g = flat(grads)
    np.testing.assert_array_equal(flat(clipped), np.sign(g) * np.minimum(abs(g), limit))
    assert share == np.mean(abs(g) > limit)


@settings(deadline=None)
@given(g=arrays(np.float32, 5, elements=entries(2.0**100, 32)), limit=st.floats(1e-42, 1e38))
@example(g=np.array([1, -3, 0, 0, 0], np.float32), limit=0.1)  # float32's 0.1 is above 0.1
def test_by_value_in_single_precision_nothing_above_the_limit_remains(g, limit):
    clipped, _ = clip_by_value([g, torch.tensor(g)], limit)
    assert all(Fraction(float(each)) <= Fraction(limit) for each in abs(flat(clipped)))
    again, share = clip_by_value(clipped, limit)
    assert share == 0
    np.testing.assert_array_equal(flat(again), flat(clipped))
    nearest = np.float32(limit)
    most = nearest if float(nearest) <= limit else np.nextafter(nearest, np.float32(0))
    np.testing.assert_array_equal(clipped[0], np.clip(g, -most, most))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_by_value_in_half_precision(dtype):
    clipped, _ = clip_by_value(torch.tensor([1.0, -3.0], dtype=dtype), 0.1)
    spacing = torch.finfo(dtype).eps * 2.0**-4
    assert 0.1 - spacing < clipped[0].item() <= 0.1
    assert clip_by_value(clipped, 0.1)[1] == 0


# --- adaptively ---


def brock(G, W, limit=0.01, eps=1e-3):
    """The rule for one unit, as the paper writes it."""
    ratio = np.linalg.norm(G) / max(np.linalg.norm(W), eps)
    return (G * limit / ratio if ratio > limit else G), ratio


def test_adaptively_unit_by_unit():
    rng = np.random.default_rng(0)
    W, G = rng.standard_normal((2, 3, 5, 4))  # three networks of four units
    W[0, :, 1], G[1, :, 2] = 0, 0
    G[2] *= 1e-3
    clipped, (ratios,) = clip_adaptively(G, W)
    assert ratios.shape == (3, 4)
    for net in range(3):
        for unit in range(4):
            wanted, ratio = brock(G[net, :, unit], W[net, :, unit])
            np.testing.assert_allclose(clipped[net, :, unit], wanted, rtol=1e-14)
            assert ratios[net, unit] == pytest.approx(ratio, rel=1e-14)
    assert np.array_equal(clipped[2], G[2])
    assert ratios[0, 1] > 1000 * 0.01  # weights of 0 count as ε


@pytest.mark.parametrize("shape", [(4, 5), (4, 2, 3, 3)])
def test_adaptively_a_unit_is_a_row_in_torch_and_a_vector_is_whole(shape):
    w, b = parameters(shape, (4,))
    G, g = w.grad.clone(), b.grad.clone()
    clipped, (ratios, whole) = clip_adaptively([w, b], [w, b], limit=0.02, eps=0.5)
    for unit in range(4):
        wanted, ratio = brock(G[unit].numpy().ravel(), w[unit].detach().numpy().ravel(), 0.02, 0.5)
        np.testing.assert_allclose(w.grad[unit].ravel(), wanted, rtol=1e-14)
        assert ratios[unit] == pytest.approx(ratio, rel=1e-14)
    wanted, ratio = brock(g.numpy(), b.detach().numpy(), 0.02, 0.5)
    np.testing.assert_allclose(b.grad, wanted, rtol=1e-14)
    assert whole == pytest.approx(ratio, rel=1e-14)
    assert torch.equal(clipped[0], w.grad)


def test_adaptively_without_a_gradient_and_with_ill_weights():
    a, b = parameters((2, 2), (2, 2))
    a.grad = None
    assert len(clip_adaptively([a, b], [a, b])[1]) == 1
    with pytest.raises(FloatingPointError, match="weights: 1 NaN and 0 infinite of 2 entries"):
        clip_adaptively(np.ones(2), np.array([NAN, 1.0]))


@pytest.mark.parametrize("weights", [np.ones((3, 2)), torch.ones((2, 3)), [np.ones((2, 3))], {}, 1.0])
def test_adaptively_weights_and_gradients_must_match(weights):
    with pytest.raises(ValueError, match=r"weights.* must be a"):
        clip_adaptively(np.ones((2, 3)), weights)


# --- what may be given ---


@pytest.mark.parametrize("clip", [clip_by_norm, clip_each_by_norm, clip_by_value])
def test_the_same_structure_comes_back_as_new_arrays(clip):
    one = np.array([[3.0, 4.0]], dtype=np.float32)
    half = torch.tensor([9.0, 9.0], dtype=torch.bfloat16)
    for limit in (1.0, 100.0):
        for given_, name in ((one, None), ([one, half], 0), ((one, half), 1), ({"a": one, "b": half}, "b")):
            clipped, _ = clip(given_, limit)
            assert type(clipped) is type(given_)
            mine, before = (clipped, given_) if name is None else (clipped[name], given_[name])
            assert (type(mine), mine.dtype, mine.shape) == (type(before), before.dtype, before.shape)
            mine += 1
    assert one.tolist() == [[3.0, 4.0]]
    assert half.tolist() == [9.0, 9.0]


def test_the_gradients_of_a_network():
    net = Network.sample(depth=3, width=4, activation="tanh", initializer="he_normal", rng=np.random.default_rng(0))
    gradients = net.backward(net.forward(np.ones((2, 4))), np.ones((2, 4)))
    clipped, norm = clip_by_norm(gradients.weights, 0.1)
    assert [each.shape for each in clipped] == [(4, 4)] * 3
    assert norm == pytest.approx(math.sqrt(sum(np.square(W).sum() for W in gradients.weights)))


def test_a_scalar_and_an_empty_array_are_gradients():
    clipped, norm = clip_by_norm([np.float64(3.0), np.array(4.0), np.zeros(0)], 1.0)
    assert norm == 5.0
    assert [each.shape for each in clipped] == [(), (), (0,)]
    assert clip_by_value(np.zeros(0), 1.0)[1] == 0.0


@pytest.mark.parametrize(
    ("grads", "message"),
    [
        ([], "grads holds no gradient"),
        ({}, "grads holds no gradient"),
        (torch.nn.Linear(2, 2).parameters(), "its parameters have none before backward"),
        (None, "grads must be an array, or a list, tuple or mapping of arrays, got None"),
        (3.0, "must be an array, or a list, tuple or mapping of arrays, got 3.0"),
        ([3.0], r"grads\[0\] must be an array of floating-point numbers, got 3.0"),
        ([None], r"grads\[0\] must be an array of floating-point numbers, got None"),
        ({"a": [np.ones(2)]}, r"grads\['a'\] must be an array of floating-point numbers"),
        (np.array([1, 2]), "got array of int64 and shape"),
        (torch.tensor([[1, 2]]), r"got tensor of torch.int64 and shape \(1, 2\)"),
        (np.array([1j]), "got array of complex128"),
        ([torch.eye(2).to_sparse()], r"grads\[0\] must be dense \(see Tensor.to_dense\), got torch.sparse_coo"),
    ],
)
def test_what_is_no_gradient_is_said(grads, message):
    with pytest.raises(ValueError, match=message):
        clip_by_norm(grads, 1.0)


@pytest.mark.parametrize("limit", [0.0, -1.0, INF, NAN, "1", None])
@pytest.mark.parametrize("clip", RULES)
def test_a_limit_is_a_finite_number_above_0(clip, limit):
    with pytest.raises(ValueError, match="must be a finite number > 0"):
        clip(np.ones(2), limit)
