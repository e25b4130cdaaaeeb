// Renders formulas: one JSON object {latex, display} a line in, one {html} or {error} a line out.
const katex = require(process.argv[2]);

function answer({ latex, display }) {
  try {
    const html = katex.renderToString(latex, { displayMode: display, strict: "error" });
    // a wide formula scrolls by itself: the keyboard must reach it
    return { html: html.replace('<span class="katex-display"', '$& tabindex="0"') };
  } catch (error) {
    return { error: error.message };
  }
}

require("readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => process.stdout.write(JSON.stringify(answer(JSON.parse(line))) + "\n"));
