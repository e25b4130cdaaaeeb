"""What a lab is: controls, a measurement, a drawing and a sentence. Says nothing about how it is shown."""

import ast
import inspect
import itertools
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from ..grid import Grid, swept_signature
from ..registry import unknown_name
from ..sweep import tabulate
from .controls import Control, Predict
from .paths import Path, flatten

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
    rerun : callable, optional
        Over a recording: the recorded function. Live, a button then runs it for real at the state that is shown. For
        what takes less than a minute.
    predict : Predict, optional
        A question to answer before looking.
    module : str, optional
        Where the lab is defined; found by itself.

    Raises
    ------
    ValueError
        If the name is not of that form, ``compute`` or ``rerun`` does not take a control or needs a parameter that is
        none, a recording lacks one of the stops, ``rerun`` is given without a recording, or ``predict`` asks about a
        state that the static page does not have.
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
    rerun: Callable[..., Data] | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", self.name):
            raise ValueError(f"name must be lower-case words joined by hyphens, got {self.name!r}")
        if not self.controls or not all(isinstance(control, Control) for control in self.controls.values()):
            raise ValueError(f"lab {self.name!r} needs controls (Slider, Choice, Toggle), got {self.controls!r}")
        if not self.module:  # the caller of the generated __init__, as namedtuple finds it
            object.__setattr__(self, "module", sys._getframe(2).f_globals.get("__name__", "__main__"))
        for role, function in [("compute", self.compute), *([("rerun", self.rerun)] if self.rerun else [])]:
            try:
                swept_signature(function, self.controls)
            except (TypeError, ValueError) as error:
                raise ValueError(f"lab {self.name!r}: {role} does not fit the controls: {error}") from None
        if isinstance(self.compute, Grid):
            self._check_stops("the recording", self.compute.axes, self.axes)
        elif self.rerun:
            raise ValueError(f"lab {self.name!r}: rerun is for a recording; here compute runs at every move already")
        if self.predict:
            at = self.state(**self.predict.at)  # complete, so that no other opening changes the question
            object.__setattr__(self, "predict", replace(self.predict, at=at))
            self._check_stops("the static page", self.axes, {name: [value] for name, value in at.items()})

    def _check_stops(self, holder: str, axes: Mapping[str, Sequence], wanted: Mapping[str, Sequence]) -> None:
        for name, values in wanted.items():
            if missing := [value for value in values if value not in axes[name]]:
                raise ValueError(f"lab {self.name!r}: {holder} has no {name} {missing}; it has {list(axes[name])}")

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
        """Complete ``values`` with the defaults and check each; over a recording, go to the nearest recorded state.

        Raises
        ------
        ValueError
            If a name is no control or a value is out of its control's range.
        """
        for name in values:
            if name not in self.controls:
                raise ValueError(f"lab {self.name!r}: " + unknown_name("control", name, self.controls))
        full = {**self.defaults, **values}
        state = {name: control.check(name, full[name]) for name, control in self.controls.items()}
        if not isinstance(self.compute, Grid):
            return state
        nearest = self.compute.nearest(**state)
        return {name: nearest[name] for name in state}

    def data(self, **values: Any) -> Data:
        """Compute the named arrays of one state."""
        with one_blas_thread():  # two threads are slower on products this small, and now and then far slower
            return self.compute(**self.state(**values))

    def fresh_data(self, **values: Any) -> Data:
        """Run the recorded function for real at one state."""
        one = {name: [value] for name, value in self.state(**values).items()}
        with one_blas_thread():
            return tabulate(self.rerun, one, vectorized=self.vectorized, progress=False)(**self.state(**values))

    def render(self, data: Data, state: State) -> tuple[dict[Path, Any], str]:
        """Draw and read one state, the figure as its leaves. What they raise says at which state."""
        try:
            reading = self.read(data, state)
            if not isinstance(reading, str):
                raise ValueError(f"read must return a sentence, got {reading!r}")
            return flatten(self.draw(data, state)), reading
        except Exception as error:
            error.add_note(f"while drawing lab {self.name!r} at {state}")
            raise

    def figure(self, **values: Any) -> "go.Figure":
        """Draw one state."""
        return self.draw(self.data(**values), self.state(**values))

    def reading(self, **values: Any) -> str:
        """Say in one sentence what the figure of one state shows."""
        return self.read(self.data(**values), self.state(**values))

    def truth(self, data: Data | None = None) -> float | str:
        """Measure what `Predict` asks for, in the ``data`` of its state if they are known.

        Raises
        ------
        ValueError
            If that is not one of its choices, or not a finite number.
        """
        data = self.data(**self.predict.at) if data is None else data
        answer = self.predict.answer(data, self.predict.at)
        return self.predict.check(f"lab {self.name!r}: the truth", answer)

    def __call__(self, **values: Any) -> "Lab":
        """Return the same lab, opening at another state: ``gradient_by_layer(depth=30)``."""
        opened = self.state(**values)
        controls = {}
        for name, control in self.controls.items():
            if opened[name] not in control.stops:
                control = replace(control, stops=(*control.stops, opened[name]))
            controls[name] = replace(control, default=opened[name])
        return replace(self, controls=controls)

    @property
    def variable(self) -> str:
        """The name of the variable that holds the lab."""
        return self.name.replace("-", "_")

    @property
    def source(self) -> str:
        """The lines of Python in which the lab is defined."""
        try:
            text = inspect.getsource(sys.modules[self.module])
        except (TypeError, OSError):
            raise ValueError(f"{self.module} has no source file, so lab {self.name!r} has no source") from None
        for node in ast.parse(text).body:
            if isinstance(node, ast.Assign) and self.variable in [getattr(t, "id", None) for t in node.targets]:
                return ast.get_source_segment(text, node)
        raise ValueError(f"{self.module} holds no variable {self.variable!r}")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from . import display

        return display.mimebundle(self)
