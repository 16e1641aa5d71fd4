"""A managed node whose transitions never raise: one that fails says why, and leaves the node as it was."""

import traceback
from collections.abc import Callable

from rclpy.exceptions import InvalidHandle
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from gmi_ros.core.errors import ErrorCode, GmiError

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
UNCONFIGURED, INACTIVE, ACTIVE, FINALIZED = "unconfigured", "inactive", "active", "finalized"


class ManagedNode(LifecycleNode):
    """The states of a ROS 2 managed node. A subclass gives `configure`, `activate`, `deactivate`, `clean_up`.

    Each may raise: a GmiError is logged as a line, anything else with its traceback; the transition then answers
    FAILURE. rclpy itself would take the node down for a transition that is not possible; here that is answered too.
    """

    def __init__(self, name: str, **node_options):
        super().__init__(name, **node_options)
        self._service_change_state.callback = self._guarded(self._service_change_state.callback)

    @property
    def state(self) -> str:
        """Name of the present state, also while a transition is under way (`configuring` ...)."""
        return self._state_machine.current_state[1]

    def configure(self) -> None:
        """Make what the node works with."""

    def activate(self) -> None:
        """Begin to work."""

    def deactivate(self) -> None:
        """Stop working, at once."""

    def clean_up(self) -> None:
        """Let go of what `configure` made."""

    def on_failure(self, error: GmiError) -> None:
        """Told why a transition failed."""

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Of rclpy."""
        return self._attempt("configure", self.configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Of rclpy."""
        return self._attempt("activate", self.activate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Of rclpy."""
        return self._attempt("deactivate", self.deactivate)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Of rclpy."""
        return self._attempt("clean up", self.clean_up)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Of rclpy; the node ends in `finalized`, whatever fails on the way."""
        if state.label == ACTIVE:
            self._attempt("deactivate", self.deactivate)
        self._attempt("clean up", self.clean_up)
        return SUCCESS

    def start(self) -> bool:
        """Configure and activate; False where either failed."""
        return self.trigger_configure() == SUCCESS and self.trigger_activate() == SUCCESS

    def finish(self) -> None:
        """Stop working, for good: the process is about to end."""
        if self.state in (UNCONFIGURED, INACTIVE, ACTIVE):
            self.trigger_shutdown()

    def destroy_node(self) -> None:
        """Finish, and take the node down."""
        self.finish()
        super().destroy_node()

    def _attempt(self, name: str, step: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            step()
        except GmiError as error:
            self.get_logger().error(f"cannot {name}: {error.code.name}: {error.message}")
            self.on_failure(error)
        except Exception as error:  # a defect of ours must not take the node down
            self.get_logger().error(f"cannot {name}: {traceback.format_exc()}")
            self.on_failure(GmiError(ErrorCode.INTERNAL, f"cannot {name}: {error!r}; the log has the details"))
        else:
            return SUCCESS
        return FAILURE

    def _guarded(self, change_state: Callable) -> Callable:
        def change(request, response):
            try:
                return change_state(request, response)
            except InvalidHandle:
                raise
            except Exception as error:  # RCLError: the state has no such transition
                wanted = request.transition.label or request.transition.id
                possible = ", ".join(t[1] for t in self._state_machine.available_transitions) or "none"
                self.get_logger().warning(
                    f"no transition {wanted} from {self.state}, possible are: {possible} ({error!r})"
                )
                response.success = False
                return response

        return change
