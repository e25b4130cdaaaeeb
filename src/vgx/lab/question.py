"""The question of a live lab: asked before looking, its answer kept in the reader's home, compared with the lab."""

import html
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ipywidgets

    from .live import LiveLab


def question(live: "LiveLab") -> "ipywidgets.VBox":
    """Ask, keep the answer in a file of the reader's own, and compare it with what the lab measures."""
    import ipywidgets as widgets

    predict, kept = live.lab.predict, _Kept(live.lab.name)
    if predict.choices:
        field = widgets.Dropdown(options=["", *predict.choices])
    else:
        field = widgets.Text(
            placeholder="a number",
            description="10 to the power" if predict.power_of_ten else "",
        )
    field.style.description_width = "initial"
    keep, show = widgets.Button(description="Keep my answer"), widgets.Button(description="Show me")
    show.layout.display = "none"  # until there is an answer
    answer = widgets.HTML()

    def compare(_: Any = None) -> None:
        try:
            predict.check("the answer", field.value)
            answer.value = html.escape(predict.compare(field.value, live.lab.truth()))
        except Exception as error:
            answer.value = html.escape(str(error))
            return
        kept.answer = field.value
        show.layout.display = None

    def open_the_state(_: Any) -> None:
        live.state = predict.at

    keep.on_click(compare)
    show.on_click(open_the_state)
    with suppress(ValueError):  # kept from a question that has changed since
        if kept.answer:
            predict.check("the answer", kept.answer)
            field.value = kept.answer
            compare()
    asked = widgets.HTML(f"<strong>Predict.</strong> {html.escape(predict.question)}")
    return widgets.VBox([asked, widgets.HBox([field, keep, show]), answer]).add_class("vgx-predict")


class _Kept:
    """The answer to one lab's question, in a file in the reader's home; forgotten where no file can be written."""

    def __init__(self, name: str) -> None:
        from platformdirs import user_data_path

        self.path: Path = user_data_path("vgx") / "predictions" / f"{name}.txt"

    @property
    def answer(self) -> str | None:
        with suppress(OSError, UnicodeError):
            return self.path.read_text(encoding="utf-8")
        return None

    @answer.setter
    def answer(self, text: str) -> None:
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(text, encoding="utf-8")
