"""Make this lesson's recordings: python -m vgx.lessons.batchnorm.record [name ...]."""

from ...recorder import Recordings

RECORDINGS = Recordings(__package__, {})

if __name__ == "__main__":
    RECORDINGS.main()
