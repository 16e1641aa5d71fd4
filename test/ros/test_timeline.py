"""The time of a recording: it runs at its rate, stands still while paused, and jumps."""

from gmi_ros.ros.timeline import Timeline


class Hand:
    """A clock that is moved by hand."""

    now = 100.0

    def __call__(self):
        return self.now


def test_it_runs_at_its_rate_and_stands_still_while_paused():
    clock = Hand()
    line = Timeline(5_000_000_000, 2.0, clock)
    clock.now += 7
    assert line.paused and line.now_ns() == 5_000_000_000 and line.until(5_000_000_001) == float("inf")
    assert line.until(5_000_000_000) <= 0
    line.pause(False)
    clock.now += 1.5
    assert not line.paused and line.now_ns() == 8_000_000_000 and line.until(9_000_000_000) == 0.5
    line.pause(True)
    clock.now += 3
    assert line.now_ns() == 8_000_000_000
    line.pause(False)
    line.pause(False)
    clock.now += 0.5
    assert line.now_ns() == 9_000_000_000 and line.until(8_500_000_000) == -0.25
    line.go_to(5_000_000_000)
    clock.now += 1
    assert line.now_ns() == 7_000_000_000
