"""One room a lesson: `measure` (parameters in, arrays out), `draw` (arrays in, a figure out), `labs` (the specs)."""
