"""How the tests run: what is no test, and what runs beside what."""

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from tests.tabulated import grid, recorded  # noqa: F401 (fixtures)

collect_ignore = ["specimens"]  # broken on purpose

# Two workers on a busy machine are slow at times: that is no failure
settings.register_profile("vgx", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vgx")


class OneBrowserAtATime(LoadFileScheduling):
    """A file stays on one worker, and all files that drive a browser stay on the same one."""

    def _split_scope(self, nodeid: str) -> str:
        return "browser" if nodeid.startswith("tests/browser/") else super()._split_scope(nodeid)


@pytest.hookimpl
def pytest_xdist_make_scheduler(config: pytest.Config, log) -> OneBrowserAtATime:
    return OneBrowserAtATime(config, log)
