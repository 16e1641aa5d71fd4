"""The executor: each callback is handed out once, failures come out, taken threads are waited for, and it ends."""

import threading
import time

import pytest
import rclpy
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import ExternalShutdownException

from gmi_ros.ros.executor import ThreadsExecutor

pytestmark = pytest.mark.ros
THREADS = 2


@pytest.fixture
def context():
    context = rclpy.Context()
    rclpy.init(context=context)
    yield context
    context.try_shutdown()


@pytest.fixture
def executor(context):
    node = rclpy.create_node("executor_test", context=context, start_parameter_services=False, enable_rosout=False)
    made = ThreadsExecutor(THREADS, context=context)
    made.add_node(node)
    yield made
    made.shutdown(5.0)
    node.destroy_node()


def spin_until(executor, condition, timeout=10.0):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end
        executor.spin_once(timeout_sec=0.05)


def test_a_callback_whose_thread_is_slow_to_begin_is_handed_out_once(executor, monkeypatch):
    submit, handed_out = executor._pool.submit, []

    def late(*work):
        handed_out.append(work)
        threading.Timer(0.05, submit, work).start()

    monkeypatch.setattr(executor._pool, "submit", late)
    ran = [executor.create_task(lambda: None) for _ in range(5)]
    spin_until(executor, lambda: all(task.done() for task in ran))
    assert len(handed_out) == len(ran)


def test_callbacks_run_beside_each_other(executor):
    meeting = threading.Barrier(THREADS, timeout=5.0)
    tasks = [executor.create_task(meeting.wait) for _ in range(THREADS)]
    spin_until(executor, lambda: all(task.done() for task in tasks))
    assert sorted(task.result() for task in tasks) == list(range(THREADS))


def test_what_a_callback_raises_comes_out_and_the_rest_goes_on(executor):
    executor.create_task(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        spin_until(executor, lambda: False)
    task = executor.create_task(lambda: "fine")
    spin_until(executor, task.done)
    assert task.result() == "fine"


def test_with_all_threads_taken_spinning_returns_and_goes_on_when_one_is_free(executor):
    gate = threading.Event()
    held = [executor.create_task(gate.wait, 10.0) for _ in range(THREADS)]
    spin_until(executor, lambda: all(task.executing() for task in held))
    waiting = executor.create_task(lambda: "fine")
    for _ in range(3):
        executor.spin_once(timeout_sec=0.02)
    assert not waiting.done() and not waiting.executing()
    gate.set()
    spin_until(executor, waiting.done)


def test_shutting_down_waits_for_what_runs_and_hands_out_nothing_more(executor):
    gate = threading.Event()
    held = executor.create_task(gate.wait, 10.0)
    spin_until(executor, held.executing)
    assert executor.shutdown(0.05) is False
    executor.spin_once(timeout_sec=0.02)
    assert not held.done()
    gate.set()
    assert executor.shutdown(5.0) is True and held.done()


def test_spinning_ends_when_another_thread_shuts_it_down(executor):
    spinner = threading.Thread(target=executor.spin)
    spinner.start()
    time.sleep(0.05)
    assert executor.shutdown(5.0) is True
    spinner.join(5.0)
    assert not spinner.is_alive()


def test_a_context_that_is_shut_down_ends_the_spinning(executor, context):
    threading.Timer(0.1, context.shutdown).start()
    with pytest.raises(ExternalShutdownException):
        spin_until(executor, lambda: False)


def test_callbacks_of_a_group_that_excludes_them_do_not_meet_and_all_run(executor, context):
    (node,) = executor.get_nodes()
    inside, most, ran = 0, 0, 0

    def tick():
        nonlocal inside, most, ran
        inside += 1
        most, ran = max(most, inside), ran + 1
        time.sleep(0.01)
        inside -= 1

    timers = [node.create_timer(0.001, tick) for _ in range(3)]
    spin_until(executor, lambda: ran >= 10)
    for timer in timers:
        timer.cancel()
    assert most == 1
    both = ReentrantCallbackGroup()
    timers = [node.create_timer(0.001, tick, callback_group=both) for _ in range(3)]
    spin_until(executor, lambda: most > 1)
    for timer in timers:
        node.destroy_timer(timer)
