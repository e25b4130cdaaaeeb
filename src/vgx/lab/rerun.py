"""The button of a live lab over a recording that runs the recorded function for real, at the state that is shown."""

import asyncio
import html
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .live import LiveLab

NOTE = "This is a fresh run, not the recording; move a control to go back to it."


class Rerun:
    """One run at a time, in a thread, so that the kernel can say how long it has taken so far.

    The controls wait for it: what is drawn must be of the state that they show.
    """

    def __init__(self, live: "LiveLab") -> None:
        import ipywidgets as widgets

        self.live = live
        self.button = widgets.Button(description="Run it for real")
        self.button.on_click(lambda _: self.clicked())
        self.task: asyncio.Task | None = None

    def clicked(self) -> None:
        """Start a run."""
        state, start = self.live.state, time.perf_counter()
        self.hold(True)
        self.live.say("Running for real …")
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # no event loop, so nothing could be shown meanwhile
            self.finish(partial(self.live.lab.fresh_data, **state), state, start)
            return
        self.task = loop.create_task(self.follow(state, start))

    async def follow(self, state: dict[str, Any], start: float) -> None:
        """Count the seconds until the run is done."""
        run = asyncio.ensure_future(asyncio.to_thread(self.live.lab.fresh_data, **state))
        while not (await asyncio.wait([run], timeout=1.0))[0]:
            self.live.say(f"Running for real: {time.perf_counter() - start:.0f} s so far …")
        self.finish(run.result, state, start)

    def finish(self, result: Callable[[], Mapping], state: dict[str, Any], start: float) -> None:
        """Show the result, or why there is none."""
        live = self.live
        try:
            drawn, reading = live.lab.render(result(), state)
            if live.state != state:  # by Reset, say
                live.say("The run is done, but the controls have moved since; run it here to see it.")
                return
            live.show(drawn)
            live.reading.value = f"{html.escape(reading)} <em>{NOTE}</em>"
            live.say(f"Run for real in {time.perf_counter() - start:.1f} s.")
        except Exception as error:
            live.say(f"The run failed: {type(error).__name__}: {error}")
        finally:
            self.hold(False)

    def hold(self, busy: bool) -> None:
        """Let the controls and the button wait, or let them go."""
        for widget in (*self.live.fields.values(), self.button):
            widget.disabled = busy
