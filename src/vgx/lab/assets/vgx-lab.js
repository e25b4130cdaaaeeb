/* The static half of a vgx lab: decodes a payload (see encode.py) and puts a state of it into the figure.
 *
 * A classic script, because modules and fetch fail on file://. The markup is written by static.py:
 * figure.vgx-lab[data-lab] > [name] controls, .vgx-plot, figcaption.vgx-reading, .vgx-status.
 * A figure fires `vgx:updated` when Plotly has drawn a new state; detail.ms is the main-thread time spent.
 */
(() => {
  "use strict";

  // ---------------------------------------------------------------- decoding

  const SPECIAL = { nan: NaN, inf: Infinity, "-inf": -Infinity, zero: 0 };

  function integers({ order, planes, bytes }) {
    const text = atob(bytes);
    const count = text.length / planes;
    const out = new Float64Array(count);
    let value = 0;
    let slope = 0;
    for (let i = 0; i < count; i++) {
      let zigzag = 0;
      for (let p = planes - 1; p >= 0; p--) zigzag = zigzag * 256 + text.charCodeAt(p * count + i);
      const difference = zigzag % 2 ? -(zigzag + 1) / 2 : zigzag / 2;
      slope = order === 2 ? slope + difference : difference;
      value += slope;
      out[i] = value;
    }
    return out;
  }

  function arrays({ shapes, log, lowest, step, special, steps }) {
    const flat = integers(steps);
    for (let i = 0; i < flat.length; i++) {
      const coordinate = lowest + flat[i] * step;
      flat[i] = log ? 10 ** coordinate : coordinate;
    }
    for (const [start, length, kind] of special) flat.fill(SPECIAL[kind], start, start + length);
    let offset = 0;
    return shapes.map((shape) => {
      const size = shape.reduce((a, b) => a * b, 1);
      const part = flat.subarray(offset, offset + size);
      offset += size;
      return shape.length < 2 ? part : rows(part, shape);
    });
  }

  function rows(flat, [count, ...rest]) {
    const size = flat.length / (count || 1);
    return Array.from({ length: count }, (_, i) => {
      const row = flat.subarray(i * size, (i + 1) * size);
      return rest.length > 1 ? rows(row, rest) : row;
    });
  }

  const ABSENT = Symbol("absent");

  function column({ path, index, values, absent, arrays: packed }) {
    const unique = packed ? arrays(packed) : values.slice();
    for (const number of absent || []) unique[number] = ABSENT;
    const numbers = index ? integers(index) : null;
    return { path, at: (state) => unique[numbers ? numbers[state] : state] };
  }

  // ---------------------------------------------------------------- colours

  const PAPER = window.matchMedia("print"); // paper is light in any theme

  const isDark = () => document.documentElement.dataset.theme === "dark" && !PAPER.matches;

  /** Copy a nested value for Plotly, which writes into what it is given, but for arrays of numbers; put in the colours of the page. */
  function themed(value, colours) {
    if (typeof value === "string") return (colours && colours[value]) || value;
    if (Array.isArray(value)) return value.map((item) => themed(item, colours));
    if (!value || typeof value !== "object" || ArrayBuffer.isView(value)) return value;
    const copy = {};
    for (const key in value) copy[key] = themed(value[key], colours);
    return copy;
  }

  // ---------------------------------------------------------------- one lab on the page

  class LabFigure {
    constructor(figure, payload) {
      this.figure = figure;
      this.payload = payload;
      this.plot = figure.querySelector(".vgx-plot");
      this.reading = figure.querySelector(".vgx-reading");
      this.status = figure.querySelector(".vgx-status");
      this.readings = column(payload.readings);
      this.columns = payload.columns.map(column);
      this.inputs = payload.controls.map(({ name }) => figure.querySelector(`[name="${name}"]`));
      const { height, template } = payload.base.layout; // else Plotly would take another one when the window changes
      this.plot.style.height = `${height ?? template.layout.height}px`;
      this.busy = false; // drawing, or a frame has not passed since the last drawing
      this.waiting = false; // a newer state than the drawn one exists
      this.hashTimer = 0;
      this.listen();
      this.reset(false);
      this.openFromHash();
    }

    listen() {
      this.inputs.forEach((input, k) =>
        input.addEventListener("input", () => {
          this.show(k);
          this.request();
          this.rememberInHash();
        })
      );
      for (const button of this.figure.querySelectorAll("[data-action]")) {
        button.addEventListener("click", () => this[button.dataset.action]());
      }
      window.addEventListener("hashchange", () => this.openFromHash());
      new MutationObserver(() => this.request()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
      PAPER.addEventListener("change", () => this.request());
    }

    // -- state

    /** The position of a control's value among its stops. */
    position(k) {
      const input = this.inputs[k];
      return input.type === "checkbox" ? Number(input.checked) : input.tagName === "SELECT" ? input.selectedIndex : Number(input.value);
    }

    set(k, position) {
      const input = this.inputs[k];
      if (input.type === "checkbox") input.checked = Boolean(position);
      else if (input.tagName === "SELECT") input.selectedIndex = position;
      else input.value = position;
      this.show(k);
    }

    /** Write the value beside its control. */
    show(k) {
      const text = this.payload.controls[k].texts[this.position(k)];
      const output = this.inputs[k].parentElement.querySelector("output");
      if (output) output.textContent = text;
      if (this.inputs[k].type === "range") this.inputs[k].setAttribute("aria-valuetext", text);
    }

    values() {
      return Object.fromEntries(this.payload.controls.map(({ name, stops }, k) => [name, stops[this.position(k)]]));
    }

    /** The number of the state: the last control runs fastest. */
    number() {
      return this.payload.controls.reduce((number, { stops }, k) => number * stops.length + this.position(k), 0);
    }

    /** Take values by name; what is missing or unknown falls back to its default, and says so. */
    open(given) {
      const complaints = [];
      this.payload.controls.forEach(({ name, stops, texts, opening }, k) => {
        const text = given.get(name);
        let position = text === null ? -1 : stops.findIndex((stop) => matches(stop, text));
        if (position < 0) {
          position = opening;
          complaints.push(`${name}${text === null ? " is missing" : `=${text} is none of ${texts.join(", ")}`}, so it is ${texts[opening]}`);
        }
        this.set(k, position);
      });
      for (const name of given.keys()) {
        if (!this.payload.controls.some((control) => control.name === name)) complaints.push(`there is no control ${name}`);
      }
      this.say(complaints.length ? `The link was not complete: ${complaints.join("; ")}.` : "");
      this.request();
    }

    // -- drawing: at most once a frame, the last state wins

    request() {
      this.waiting = true;
      if (!this.busy) this.draw();
    }

    async draw() {
      this.busy = true;
      this.waiting = false;
      const frame = new Promise((done) => requestAnimationFrame(done));
      const start = performance.now();
      const state = this.number();
      try {
        const { data, layout } = this.spec(state);
        const known = Boolean(this.plot.data); // then Plotly need not take up and compare the configuration again
        const drawn = Plotly.react(this.plot, data, layout, known ? undefined : CONFIG);
        this.reading.textContent = this.readings.at(state);
        const ms = performance.now() - start;
        await drawn;
        if (!known) keepTicks(this.plot);
        for (const button of this.plot.querySelectorAll(".modebar-btn:not([aria-label])")) button.setAttribute("aria-label", button.dataset.title);
        const detail = { lab: this.payload.name, state: this.values(), ms };
        this.figure.dispatchEvent(new CustomEvent("vgx:updated", { bubbles: true, detail }));
      } catch (error) {
        this.say(`This state could not be drawn: ${error.message}.`);
      }
      await frame;
      this.busy = false;
      if (this.waiting) this.draw();
    }

    /** Assemble the figure of a state: the part that never changes, then each column's value. */
    spec(state) {
      const colours = isDark() ? this.payload.dark : null;
      const { data, layout } = this.payload.base;
      const { template, ...rest } = layout;
      const spec = themed({ data, layout: rest }, colours);
      for (const { path, at } of this.columns) {
        const value = at(state);
        if (value !== ABSENT) put(spec, path, themed(value, colours));
      }
      spec.layout.template = colours ? themed(template, colours) : template; // Plotly compares it only if it is another
      spec.layout.dragmode = COARSE.matches ? false : spec.layout.dragmode;
      return spec;
    }

    // -- the address

    rememberInHash() {
      clearTimeout(this.hashTimer); // browsers limit how often the address may change
      this.hashTimer = setTimeout(() => history.replaceState(history.state, "", this.hash()), 250);
    }

    hash() {
      return `#${this.payload.name}?${new URLSearchParams(this.values())}`;
    }

    openFromHash() {
      const [name, query] = location.hash.slice(1).split(/\?(.*)/s);
      if (name !== this.payload.name || query === undefined) return;
      this.open(new URLSearchParams(query));
      this.figure.scrollIntoView({ block: "nearest" });
    }

    // -- the buttons

    link() {
      history.replaceState(history.state, "", this.hash());
      this.copy(location.href, "Link copied.");
    }

    python() {
      const { module, variable, controls } = this.payload;
      const given = controls.map(({ name, python }, k) => `${name}=${python[this.position(k)]}`);
      this.copy(`from ${module} import ${variable}\n\n${variable}(${given.join(", ")})\n`, "Python copied.");
    }

    csv() {
      const traces = this.plot.data;
      const lines = [traces.some(({ z }) => z) ? "series,x,y,z" : "series,x,y"];
      for (const trace of traces) {
        const name = `"${String(trace.name || "").replaceAll('"', '""')}"`;
        for (const point of points(trace)) lines.push([name, ...point.map(rounded)].join());
      }
      const url = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
      const anchor = Object.assign(document.createElement("a"), { href: url, download: `${this.payload.name}.csv` });
      anchor.click();
      URL.revokeObjectURL(url);
      this.say("Data saved, read off the figure to three digits or a thousandth of an axis. In a notebook they are exact.");
    }

    reset(forget = true) {
      this.payload.controls.forEach(({ opening }, k) => this.set(k, opening));
      this.request();
      if (!forget) return;
      clearTimeout(this.hashTimer);
      history.replaceState(history.state, "", `#${this.payload.name}`);
      this.say("Back at the start.");
    }

    async copy(text, done) {
      try {
        await navigator.clipboard.writeText(text);
        this.say(done);
      } catch {
        // no clipboard (an old browser, or no permission): show the text, selected
        this.status.textContent = "Copy this: ";
        const field = Object.assign(document.createElement("textarea"), { value: text.trim(), readOnly: true, rows: text.trim().split("\n").length });
        field.setAttribute("aria-label", "text to copy");
        this.status.append(field);
        field.select();
      }
    }

    say(message) {
      this.status.textContent = message;
    }
  }

  const CONFIG = {
    displaylogo: false,
    responsive: true,
    modeBarButtons: [["toImage", "resetScale2d"]],
    showAxisDragHandles: false, // eight for each panel, made anew at each move; one zooms in the panel itself
  };
  const COARSE = window.matchMedia("(pointer: coarse)"); // a finger on the figure scrolls the page

  /** Let an axis keep its ticks, labels and grid from state to state, as it does while one zooms.
   *
   * Before Plotly draws an axis anew, it removes them all, although it then looks for those it can keep (by place, text
   * and font). It asks for what it removes by ".xtick" or "path", and for what it keeps by "g.xtick" or "path.xgrid".
   */
  function keepTicks(plot) {
    for (const layer of plot.querySelectorAll(".gridlayer, .xaxislayer-above, .yaxislayer-above")) {
      const all = layer.querySelectorAll.bind(layer);
      layer.querySelectorAll = (selector) => (/^\.|^path$/.test(selector) ? [] : all(selector));
    }
  }

  function put(root, path, value) {
    let node = root;
    for (let i = 0; i + 1 < path.length; i++) node = node[path[i]] ??= typeof path[i + 1] === "number" ? [] : {};
    node[path[path.length - 1]] = value;
  }

  /** The points of a trace, or the cells of a heat map. */
  function points({ x, y, z }) {
    if (!z) return Array.from(y || [], (value, i) => [x ? x[i] : i, value]);
    return z.flatMap((row, i) => Array.from(row, (value, j) => [x ? x[j] : j, y ? y[i] : i, value]));
  }

  /** The figures of a number that its place in the figure warrants; whole numbers are exact. */
  function rounded(value) {
    return typeof value !== "number" || Number.isInteger(value) ? value : Number(value.toPrecision(3));
  }

  function matches(stop, text) {
    if (typeof stop === "number") return text.trim() !== "" && Math.abs(Number(text) - stop) <= 1e-9 * Math.abs(stop);
    return String(stop) === text;
  }

  // ---------------------------------------------------------------- a question before looking

  class Prediction {
    constructor(form, lab) {
      this.form = form;
      this.key = `vgx:predict:${lab.payload.name}`;
      this.question = lab.payload.predict;
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        const guess = form.elements.guess.value.trim();
        if (guess === "") {
          form.querySelector(".vgx-answer").textContent = "Give an answer first.";
          return;
        }
        this.keep(guess);
        this.compare(guess);
      });
      form.querySelector("[data-show]").addEventListener("click", () => {
        lab.open(new URLSearchParams(this.question.at));
        lab.rememberInHash();
        lab.figure.scrollIntoView({ block: "nearest" });
      });
      const kept = this.kept();
      if (kept !== null) {
        form.elements.guess.value = kept;
        this.compare(kept);
      }
    }

    keep(guess) {
      try {
        localStorage.setItem(this.key, guess);
      } catch {
        /* storage may be switched off: the answer then lasts as long as the page */
      }
    }

    kept() {
      try {
        return localStorage.getItem(this.key);
      } catch {
        return null;
      }
    }

    compare(guess) {
      const { truth, powerOfTen, choices } = this.question;
      const short = (number) => Number(Number(number).toPrecision(3));
      const answer = this.form.querySelector(".vgx-answer");
      if (choices) answer.textContent = `You said: ${guess}. The lab shows: ${truth}.`;
      else if (powerOfTen) {
        const apart = Number(Math.abs(guess - truth).toPrecision(2));
        answer.textContent = `You said 10^${short(guess)}. The lab measures 10^${short(truth)}: ${apart} powers of ten apart.`;
      } else answer.textContent = `You said ${short(guess)}. The lab measures ${short(truth)}.`;
      this.form.querySelector("[data-show]").hidden = false;
    }
  }

  // ---------------------------------------------------------------- starting

  const labs = [];

  /** Called by a payload's script: bring every figure of the page that waits for it to life. */
  function define(id, payload) {
    for (const figure of document.querySelectorAll(`figure.vgx-lab[data-payload="${id}"]`)) {
      try {
        const lab = new LabFigure(figure, payload);
        const form = figure.querySelector("form.vgx-predict");
        if (form) new Prediction(form, lab);
        labs.push(lab);
      } catch (error) {
        const status = figure.querySelector(".vgx-status");
        if (status) status.textContent = `This lab could not start: ${error.message}.`;
        throw error;
      }
    }
  }

  window.addEventListener("load", () => {
    for (const figure of document.querySelectorAll("figure.vgx-lab")) {
      if (labs.some((lab) => lab.figure === figure)) continue;
      const status = figure.querySelector(".vgx-status");
      status.textContent = status.textContent || "The data of this figure did not load: the sentence above shows its first state only.";
    }
  });

  window.vgxLabs = { define, labs };
})();
