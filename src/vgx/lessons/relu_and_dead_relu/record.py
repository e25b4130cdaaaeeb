"""Make this lesson's recordings: python -m vgx.lessons.relu_and_dead_relu.record [name ...]."""

from ...recorder import Recordings

RECORDINGS = Recordings(__package__, {})

if __name__ == "__main__":
    RECORDINGS.main()
