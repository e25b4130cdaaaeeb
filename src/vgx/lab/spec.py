"""What a lab is: controls, a measurement, a drawing and a sentence. Says nothing about how it is shown."""

import ast
import inspect
import itertools
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from ..registry import unknown_name
from ..sweep import Grid
from .controls import Control, Predict

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from threadpoolctl import ThreadpoolController


@cache
def _threadpools() -> "ThreadpoolController":
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def one_blas_thread() -> AbstractContextManager:
    """Let BLAS use one thread within this context."""
    return _threadpools().limit(limits=1, user_api="blas")


Data = Mapping[str, Any]
State = Mapping[str, Any]


@dataclass(frozen=True)
class Lab:
    """An interactive figure: one spec, shown live in a notebook and statically in the built book.

    Parameters
    ----------
    name : str
        Lower-case words with hyphens. The variable that holds the lab has the same words with underscores.
    controls : dict of str to Slider, Choice or Toggle
        What can be moved; the names are parameters of ``compute``.
    compute : callable or Grid
        ``(**controls) -> named arrays``, or a recording of such a function.
    draw : callable
        ``(data, controls) -> plotly Figure``.
    read : callable
        ``(data, controls) -> str``: what the figure shows, in one sentence of plain words.
    alt : str
        What kind of figure this is, for somebody who does not see it.
    vectorized : tuple of str
        Controls of which ``compute`` takes all values in one call (see `vgx.tabulate`).
    predict : Predict, optional
        A question to answer before looking.
    module : str, optional
        Where the lab is defined; found by itself.

    Raises
    ------
    ValueError
        If the name is not of that form, ``compute`` does not take a control or needs a parameter that is none, or
        a recording lacks one of the stops.
    """

    name: str
    controls: Mapping[str, Control]
    compute: Callable[..., Data] | Grid
    draw: Callable[[Data, State], "go.Figure"]
    read: Callable[[Data, State], str]
    alt: str
    vectorized: tuple[str, ...] = ()
    predict: Predict | None = None
    module: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", self.name):
            raise ValueError(f"name must be lower-case words joined by hyphens, got {self.name!r}")
        if not self.controls:
            raise ValueError(f"lab {self.name!r} needs at least one control, got none")
        if not self.module:  # the caller of the generated __init__, as namedtuple finds it
            object.__setattr__(self, "module", sys._getframe(2).f_globals.get("__name__", "__main__"))
        self._check_compute_takes_the_controls()
        if self.predict:
            self.state(**self.predict.at)

    def _check_compute_takes_the_controls(self) -> None:
        parameters = inspect.signature(self.compute).parameters
        for control in self.controls:
            if control not in parameters:
                raise ValueError(f"lab {self.name!r}: " + unknown_name("control", control, parameters))
        for parameter in parameters.values():
            if parameter.default is parameter.empty and parameter.name not in self.controls:
                raise ValueError(
                    f"lab {self.name!r}: compute needs {parameter.name!r}, which is no control; "
                    f"the controls are: {', '.join(self.controls)}"
                )
        if isinstance(self.compute, Grid):
            for control, spec in self.controls.items():
                missing = [stop for stop in spec.stops if stop not in self.compute.axes[control]]
                if missing:
                    raise ValueError(
                        f"lab {self.name!r}: the recording has no {control} {missing}; "
                        f"it has {list(self.compute.axes[control])}"
                    )

    @property
    def defaults(self) -> dict[str, Any]:
        """The state in which the lab opens."""
        return {name: control.default for name, control in self.controls.items()}

    @property
    def axes(self) -> dict[str, tuple]:
        """The stops of every control: the states that the static page knows."""
        return {name: tuple(control.stops) for name, control in self.controls.items()}

    def states(self) -> Iterator[dict[str, Any]]:
        """Every state of the static page, the last control running fastest."""
        return (dict(zip(self.axes, values, strict=True)) for values in itertools.product(*self.axes.values()))

    def state(self, **values: Any) -> dict[str, Any]:
        """Complete ``values`` with the defaults and check each.

        Raises
        ------
        ValueError
            If a name is no control or a value is out of its control's range.
        """
        for name in values:
            if name not in self.controls:
                raise ValueError(f"lab {self.name!r}: " + unknown_name("control", name, self.controls))
        full = {**self.defaults, **values}
        return {name: control.check(name, full[name]) for name, control in self.controls.items()}

    def data(self, **values: Any) -> Data:
        """Compute the named arrays of one state (of the nearest recorded one, for a recording)."""
        state = self.state(**values)
        if isinstance(self.compute, Grid):
            state = self.compute.nearest(**state)
        with one_blas_thread():  # two threads are slower on products this small, and now and then far slower
            return self.compute(**state)

    def figure(self, **values: Any) -> "go.Figure":
        """Draw one state."""
        return self.draw(self.data(**values), self.state(**values))

    def reading(self, **values: Any) -> str:
        """Say in one sentence what the figure of one state shows."""
        return self.read(self.data(**values), self.state(**values))

    def truth(self) -> float | str:
        """Measure what `Predict` asks for."""
        return self.predict.answer(self.data(**self.predict.at), self.state(**self.predict.at))

    def __call__(self, **values: Any) -> "Lab":
        """Return the same lab, opening at another state: ``gradient_by_layer(depth=30)``."""
        opened = self.state(**values)
        controls = {}
        for name, control in self.controls.items():
            stops = control.stops
            if opened[name] not in stops:
                stops = tuple(sorted({*stops, opened[name]}))
                control = replace(control, stops=stops)
            controls[name] = replace(control, default=opened[name])
        return replace(self, controls=controls)

    @property
    def variable(self) -> str:
        """The name of the variable that holds the lab."""
        return self.name.replace("-", "_")

    @property
    def source(self) -> str:
        """The lines of Python in which the lab is defined."""
        text = inspect.getsource(sys.modules[self.module])
        for node in ast.parse(text).body:
            if isinstance(node, ast.Assign) and self.variable in [getattr(t, "id", None) for t in node.targets]:
                return ast.get_source_segment(text, node)
        raise ValueError(f"{self.module} holds no variable {self.variable!r}")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from . import display

        return display.mimebundle(self)
