"""From what comes in, in whatever order and however often, to what is in the store, and who is told of it."""

import time
import traceback
from collections import deque
from collections.abc import Callable
from logging import Logger

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.msg import GraspOutcome, Observation, Recorded
from gmi_ros.ros.convert_outcome import UNPAIRED, check_outcome, episode_from_messages
from gmi_ros.ros.diagnostics import Statistics
from gmi_ros.ros.live_store import LiveStore
from gmi_ros.ros.pairing import Pairing, Waiting
from gmi_ros.ros.settings import RecorderSettings
from gmi_ros.ros.judging import Judgement

STORE_FAULTS = (ErrorCode.STORE_UNWRITABLE, ErrorCode.STORE_CORRUPT, ErrorCode.FILE_NOT_FOUND)
_KEPT = "is kept, and committed once that can be done, unless the recorder ends before: judge again to be sure"
_LATEST = 3  # stored outcomes that a refusal names


class Ledger:
    """Each outcome is stored once, with its observation where that came, and told as recorded only then.

    What the store refuses is kept and tried again. A verdict on an outcome that waits is kept with it. For use from one
    thread; `now` [s] is of any one clock, which stands still or goes forward.
    """

    def __init__(
        self,
        settings: RecorderSettings,
        store: LiveStore,
        statistics: Statistics,
        logger: Logger,
        on_recorded: Callable[[Recorded, str], None],
    ):
        """Args:
        logger: or rclpy's. on_recorded: told of every outcome that is stored (its stamp is empty), and of the id of the
            observation that it is paired with from now on, empty where there is none, or was one before.
        """
        self._settings, self._store = settings, store
        self._statistics, self._logger, self._on_recorded = statistics, logger, on_recorded
        self._pairing = Pairing(settings.pair_timeout, settings.most_waiting)
        self._judgements: list[Judgement] = []  # not committed yet, in the order in which they came
        self._latest: deque[str] = deque(maxlen=_LATEST)
        self._next_try = float("-inf")
        self._fault_code = ErrorCode.OK
        self.fault = self.last_fault = ""  # what the store says now, and what it said last

    def __len__(self) -> int:
        """Outcomes and verdicts that wait to be committed."""
        return len(self._pairing) + len(self._judgements)

    @property
    def waiting(self) -> int:
        """Outcomes that wait to be stored."""
        return len(self._pairing)

    def take(self, message: Observation | GraspOutcome | Judgement, now: float) -> None:
        """Sort in what came; nothing is written before `settle`."""
        if isinstance(message, Observation):
            self._pairing.observed(message)
        elif isinstance(message, GraspOutcome):
            self._take_outcome(message, now)
        elif len(self._judgements) >= self._settings.most_waiting:
            message.tell(ErrorCode.BUSY, f"{len(self._judgements)} verdicts wait already (most_waiting)")
        else:
            self._judgements.append(message)

    def settle(self, now: float) -> None:
        """Write what is ready, in the order in which it came; nothing for a while after the store refused."""
        if now >= self._next_try:
            self._store_outcomes(now)
        if now >= self._next_try:
            self._commit_judgements(now)
        if now < self._next_try:
            for judgement in self._judgements:
                judgement.tell(self._fault_code, f"{self.fault}; the verdict on {judgement.outcome_id!r} {_KEPT}")

    def try_now(self) -> None:
        """Do not wait for the time of the next attempt."""
        self._next_try = float("-inf")

    def close(self, now: float) -> None:
        """Write what can be written and close the store; says what is left."""
        self.try_now()
        self.settle(now)
        for judgement in self._judgements:
            judgement.tell(ErrorCode.NOT_ACTIVE, f"the recorder ends: the verdict on {judgement.outcome_id!r} is lost")
            self._logger.error(f"the verdict on {judgement.outcome_id!r} was not committed and is lost")
        self._store.close()

    def _take_outcome(self, outcome: GraspOutcome, now: float) -> None:
        self._statistics.count("outcomes")
        try:
            check_outcome(outcome)
        except GmiError as error:
            self._drop(outcome, error)
            return
        lost = self._pairing.came(outcome, now)
        if lost is not None:
            self._drop(
                lost,
                GmiError(ErrorCode.STORE_UNWRITABLE, f"more than {self._settings.most_waiting} (most_waiting) wait"),
            )

    def _store_outcomes(self, now: float) -> None:
        for waiting in self._pairing.ready(now):
            outcome = waiting.outcome
            try:
                paired = self._write(waiting)
            except GmiError as error:
                if error.code in STORE_FAULTS:
                    self._refused(error, now)
                    return
                self._drop(outcome, error)
            except Exception as error:  # a defect of ours must not end the thread
                self._logger.error(f"INTERNAL: {traceback.format_exc()}")
                self._drop(outcome, GmiError(ErrorCode.INTERNAL, repr(error)))
            else:
                self._pairing.done(outcome, unseen=not paired)

    def _write(self, waiting: Waiting) -> bool:
        """Store an outcome, or the observation that it was stored without; whether it has one now."""
        outcome, started = waiting.outcome, time.perf_counter()
        stored, completed = waiting.stored or outcome.outcome_id in self._store, False
        try:
            episode = episode_from_messages(outcome, waiting.observation)
            added = not stored and self._store.add(episode)
            completed = stored and self._store.complete(episode)
        except GmiError as error:
            if not stored or error.code in STORE_FAULTS:
                raise
            added = False
            self._statistics.count(f"observations_refused.{error.code.name}")
            self._logger.error(
                f"outcome {outcome.outcome_id!r} keeps no observation: {error.code.name}: {error.message}"
            )
        # What was stored before may have been judged since, or have come with its observation, or without.
        kept = episode if added else self._store.get(outcome.outcome_id)
        self._statistics.latency("commit", (time.perf_counter() - started) * 1e3)
        self._recovered()
        if not waiting.stored:
            self._statistics.count("stored" if added else "duplicates")
        self._latest.append(outcome.outcome_id)
        paired = kept.split != UNPAIRED
        if added and not paired:
            self._statistics.count("unpaired")
            self._logger.warning(
                f"outcome {outcome.outcome_id}: observation {outcome.observation_id!r} did not come within "
                f"{self._settings.pair_timeout} s (pair_timeout); stored without it, so not for training, unless it comes"
            )
        if completed:
            self._statistics.count("completed")
            self._logger.info(f"outcome {outcome.outcome_id}: its observation has come and is stored with it now")
        recorded = Recorded(
            outcome_id=outcome.outcome_id,
            success=kept.success,
            duplicate=not added,
            paired=paired,
            stored=self._store.stored,
            recorded=self._store.recorded,
        )
        self._on_recorded(recorded, outcome.observation_id if paired and (added or completed) else "")
        return paired

    def _commit_judgements(self, now: float) -> None:
        kept = []
        for index, judgement in enumerate(self._judgements):
            if judgement.outcome_id in self._pairing:
                kept.append(judgement)
                continue
            try:
                self._commit(judgement)
            except GmiError as error:
                if error.code in STORE_FAULTS:
                    self._refused(error, now)
                    kept += self._judgements[index:]
                    break
                self._refuse(judgement, error)
            except Exception as error:  # a defect of ours must not end the thread
                self._logger.error(f"INTERNAL: {traceback.format_exc()}")
                self._refuse(judgement, GmiError(ErrorCode.INTERNAL, repr(error)))
        self._judgements = kept

    def _commit(self, judgement: Judgement) -> None:
        self._store.judge(judgement.outcome_id, judgement.success, judgement.note)
        self._recovered()
        self._statistics.count("judged")
        word = "a success" if judgement.success else "a failure"
        if judgement.is_told:  # they were told that it is kept
            self._logger.info(f"the verdict on {judgement.outcome_id!r} is committed now: {word}")
        judgement.tell(ErrorCode.OK, f"outcome {judgement.outcome_id!r} is stored as {word}")

    def _refuse(self, judgement: Judgement, error: GmiError) -> None:
        self._statistics.count(f"judged_refused.{error.code.name}")
        text = error.message
        if error.code == ErrorCode.BAD_REQUEST:
            latest = f", such as {', '.join(map(repr, self._latest))}" if self._latest else ""
            text = (
                f"no outcome {judgement.outcome_id!r} is among the {self._store.stored} in {self._store.path} or "
                f"waits; valid is the outcome_id of a GraspOutcome or Recorded{latest}"
            )
        if judgement.is_told:
            self._logger.error(f"a verdict that was kept cannot be committed: {text}")
        judgement.tell(error.code, text)

    def _recovered(self) -> None:
        if self.fault:
            self._logger.info(f"{self._store.path} can be written again")
            self.fault = ""

    def _refused(self, error: GmiError, now: float) -> None:
        """Keep what waits and try again later; said once per kind of trouble."""
        self._store.close()
        self._next_try = now + self._settings.retry_period
        self._fault_code = error.code
        self._statistics.count(f"refused.{error.code.name}")
        text = f"{error.code.name}: {error.message}"
        if text != self.fault:
            self._logger.error(
                f"{text}; {self.waiting} outcomes wait, "
                f"tried again every {self._settings.retry_period} s (retry_period)"
            )
        self.fault = self.last_fault = text

    def _drop(self, outcome: GraspOutcome, error: GmiError) -> None:
        self._pairing.done(outcome)
        self._statistics.count(f"dropped.{error.code.name}")
        self._logger.error(f"outcome {outcome.outcome_id!r} is not stored: {error.code.name}: {error.message}")
