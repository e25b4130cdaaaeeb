"""The spec: what makes a lab, which states it has, what it computes, and what it refuses."""

import re
from functools import partial

import numpy as np
import plotly.graph_objects as go
import pytest
from threadpoolctl import threadpool_info

from tests.specimen_labs import hilly, holes
from vgx import tabulate
from vgx.lab import Choice, Lab, Predict, Slider, Toggle
from vgx.lab.spec import one_blas_thread
from vgx.lessons.chain_rule_products.labs import gradient_by_layer


def line(slope: float, depth: int = 3) -> dict[str, np.ndarray]:
    return {"y": slope * np.arange(depth)}


def drawn(data, controls):
    return go.Figure(go.Scatter(y=data["y"], name=f"slope {controls['slope']:g}"))


def said(data, controls):
    return f"At slope {controls['slope']:g} it ends at {data['y'][-1]:g}."


SLOPE = Slider(0, 2, default=1, stops=(0, 1, 2))


def lab(**given) -> Lab:
    arguments = {"controls": {"slope": SLOPE}, "compute": line, "draw": drawn, "read": said, "alt": "A line."}
    return Lab(given.pop("name", "one-line"), **arguments | given)


one_line = lab()


def test_a_lab_computes_draws_and_reads_a_state():
    assert one_line.defaults == {"slope": 1.0}
    assert one_line.data(slope=1.5)["y"].tolist() == [0, 1.5, 3]
    figure = one_line.figure(slope=1.5)
    assert (figure.data[0].y.tolist(), figure.data[0].name) == ([0, 1.5, 3], "slope 1.5")
    assert one_line.reading(slope=1.5) == "At slope 1.5 it ends at 3."
    assert one_line.figure() == one_line.figure(slope=1)


def test_the_states_are_the_product_of_the_stops_the_last_control_fastest():
    two = lab(controls={"slope": SLOPE, "depth": Slider(1, 2, default=1, stops=2, integer=True)})
    assert [tuple(state.values()) for state in two.states()] == [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2)]
    assert two.axes == {"slope": (0, 1, 2), "depth": (1, 2)}


def test_a_lab_knows_where_it_is_defined():
    assert one_line.module == one_line(slope=2).module == __name__
    assert (one_line.variable, one_line.source) == ("one_line", "one_line = lab()")
    assert gradient_by_layer.source.startswith("gradient_by_layer = Lab(\n")
    with pytest.raises(ValueError, match="holds no variable 'two_lines'"):
        _ = lab(name="two-lines").source
    with pytest.raises(ValueError, match="sys has no source file"):
        _ = lab(module="sys").source


# Opening elsewhere


def test_a_lab_opened_elsewhere_is_the_same_lab_at_another_state():
    opened = one_line(slope=2)
    assert (opened.defaults, opened.axes) == ({"slope": 2.0}, one_line.axes)
    assert one_line.defaults == {"slope": 1.0}


def test_a_lab_opened_between_stops_stops_there_too():
    opened = one_line(slope=0.25)
    assert (opened.defaults, opened.axes) == ({"slope": 0.25}, {"slope": (0, 0.25, 1, 2)})


def test_opening_elsewhere_does_not_change_what_is_asked():
    asking = lab(predict=Predict("How high?", answer=lambda data, controls: data["y"][-1], at={}))
    assert asking(slope=2).truth() == asking.truth() == 2


# Over a recording


def test_over_a_recording_every_state_is_the_nearest_recorded_one():
    recorded = lab(compute=tabulate(line, {"slope": [0.0, 1.0, 1.5, 2.0], "depth": [3]}, progress=False))
    assert recorded.state(slope=1.4) == {"slope": 1.5}
    assert recorded.data(slope=1.4)["y"].tolist() == [0, 1.5, 3]
    assert recorded.figure(slope=1.4).data[0].name == "slope 1.5"
    assert recorded.reading(slope=1.4) == "At slope 1.5 it ends at 3."
    assert recorded(slope=1.4).axes == {"slope": (0, 1, 1.5, 2)}
    with pytest.raises(ValueError, match="slope must lie between 0 and 2, got 3"):
        recorded.data(slope=3)


def test_a_recording_must_have_every_stop():
    grid = tabulate(line, {"slope": [0.0, 1.0]}, progress=False)
    message = "lab 'one-line': the recording has no slope [2.0]; it has [0.0, 1.0]"
    with pytest.raises(ValueError, match=re.escape(message)):
        lab(compute=grid)


def test_a_recording_of_another_function_is_refused():
    other = tabulate(lambda steepness: {"y": np.zeros(1)}, {"steepness": [1.0]}, progress=False)
    with pytest.raises(ValueError, match=r"lab 'one-line': .*unknown parameter .*'slope'; there are: steepness"):
        lab(compute=other)


def test_a_fresh_run_is_of_one_state_also_where_an_axis_is_taken_whole():
    def lines(slope, depth):
        assert isinstance(slope, tuple)
        return {"y": [line(each, depth)["y"] for each in slope]}

    grid = tabulate(lines, {"slope": [0.0, 1.0, 2.0], "depth": [2, 3]}, vectorized="slope", progress=False)
    controls = {"slope": SLOPE, "depth": Slider(2, 3, default=3, stops=(2, 3), integer=True)}
    recorded = lab(compute=grid, rerun=lines, vectorized=("slope",), controls=controls)
    assert recorded.fresh_data(slope=1.9)["y"].tolist() == [0, 2, 4]
    assert recorded(slope=2).rerun is lines


def test_a_rerun_must_fit_and_needs_a_recording():
    grid = tabulate(line, {"slope": [0.0, 1.0, 2.0]}, progress=False)
    with pytest.raises(ValueError, match="lab 'one-line': rerun does not fit the controls: unknown parameter"):
        lab(compute=grid, rerun=lambda slop: {})
    with pytest.raises(ValueError, match="lab 'one-line': rerun is for a recording; here compute runs at every move"):
        lab(rerun=line)


# What is refused


@pytest.mark.parametrize("name", ["One", "one_line", "-one", "one--line", "1st", "", "one line", "lab?", 'a"b'])
def test_a_name_of_another_form_is_refused(name):
    with pytest.raises(ValueError, match="name must be lower-case words joined by hyphens, got"):
        lab(name=name)


@pytest.mark.parametrize("controls", [{}, {"slope": 1.0}, {"slope": Slider}, {"slope": None}])
def test_what_is_no_control_is_refused(controls):
    with pytest.raises(ValueError, match=r"lab 'one-line' needs controls \(Slider, Choice, Toggle\), got"):
        lab(controls=controls)


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (lambda slop: {}, "unknown parameter of .*'slope'; there are: slop"),
        (lambda slope, width: {}, "requires 'width', axes give slope"),
        (lambda slope, /: {}, "unknown parameter .*'slope'"),
        (5, "5 is not a callable object"),
    ],
)
def test_a_compute_that_does_not_fit_the_controls_is_refused(compute, message):
    with pytest.raises(ValueError, match=f"lab 'one-line': compute does not fit the controls: .*{message}"):
        lab(compute=compute)


@pytest.mark.parametrize("compute", [partial(line, depth=5), lambda **controls: line(**controls)])
def test_a_compute_may_be_a_partial_or_take_any_keyword(compute):
    assert lab(compute=compute).data(slope=2)["y"][1] == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"slop": 1}, "lab 'one-line': unknown control 'slop'; there are: slope"),
        ({"slope": 3}, "slope must lie between 0 and 2, got 3"),
        ({"slope": float("nan")}, "slope must be a finite number, got nan"),
        ({"slope": "1"}, "slope must be a finite number, got '1'"),
    ],
)
def test_a_state_out_of_range_is_refused(values, message):
    for ask in (one_line.state, one_line.data, one_line.figure, one_line.reading, one_line):
        with pytest.raises(ValueError, match=message):
            ask(**values)


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ({"slop": 1}, "unknown control 'slop'"),
        ({"slope": 3}, "slope must lie between 0 and 2, got 3"),
        ({"slope": 0.5}, re.escape("lab 'one-line': the static page has no slope [0.5]; it has [0.0, 1.0, 2.0]")),
    ],
)
def test_a_question_about_a_state_that_does_not_exist_is_refused(at, message):
    with pytest.raises(ValueError, match=message):
        lab(predict=Predict("How high?", answer=lambda data, controls: 1.0, at=at))


@pytest.mark.parametrize(
    ("answer", "choices", "message"),
    [
        (-np.inf, (), "lab 'one-line': the truth must be a finite number, got -inf"),
        ("high", (), "lab 'one-line': the truth must be a finite number, got 'high'"),
        ("high", ("up", "down"), "lab 'one-line': the truth must be one of up, down, got 'high'"),
    ],
)
def test_a_truth_that_is_no_possible_answer_is_refused(answer, choices, message):
    asking = lab(predict=Predict("How high?", answer=lambda data, controls: answer, at={}, choices=choices))
    with pytest.raises(ValueError, match=message):
        asking.truth()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"draw": lambda data, controls: {"data": []}}, r"draw must return a plotly Figure, got \{'data': \[\]\}"),
        ({"read": lambda data, controls: None}, "read must return a sentence, got None"),
    ],
)
def test_a_drawing_that_is_none_is_refused_with_its_state(given, message):
    with pytest.raises(ValueError, match=message) as caught:
        lab(**given).render(line(1.0), {"slope": 1.0})
    assert caught.value.__notes__ == ["while drawing lab 'one-line' at {'slope': 1.0}"]


# The threads of BLAS


def threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_a_lab_computes_with_one_blas_thread_and_gives_the_others_back():
    before, within = threads(), []

    def measuring(slope):
        within.extend(threads())
        return line(slope)

    lab(compute=measuring).data()
    assert (set(within), threads()) == ({1}, before)


def test_the_threads_come_back_after_an_error():
    before = threads()
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        raise ZeroDivisionError
    assert threads() == before


def test_every_kind_of_control_makes_a_state():
    kinds = {type(control) for specimen in (holes, hilly) for control in specimen.controls.values()}
    assert kinds == {Slider, Choice, Toggle}
    state = holes.state(length=30, flipped=True)
    assert (state["length"], state["flipped"]) == (30, True)
    assert len(list(holes.states())) == 3 * 7 * 5 * 2
