package org.peftjava.transformers.training;

import java.time.Duration;
import java.util.Optional;
import org.peftjava.torch.runtime.NativeRuntime;

/**
 * How far a run is, for callbacks.
 *
 * @param args the arguments of the run
 * @param state steps, epoch and log history; valid during the call
 * @param control what the callback can ask for
 * @param sessionSteps optimizer steps since {@code train()} was called
 * @param sessionTokens tokens without padding since {@code train()} was called
 * @param elapsed time since then
 */
public record TrainingProgress(
    TrainingArguments args,
    TrainerState state,
    TrainerControl control,
    int sessionSteps,
    long sessionTokens,
    Duration elapsed) {
  /** Tokens without padding a second, evaluations and checkpoints included in the time. */
  public double tokensPerSecond() {
    return sessionTokens / Math.max(1e-9, seconds());
  }

  /** Time until the last step at the present speed; unknown before the first step. */
  public Optional<Duration> remaining() {
    if (sessionSteps == 0) {
      return Optional.empty();
    }
    double perStep = seconds() / sessionSteps;
    long steps = Math.max(0, state.maxSteps() - state.globalStep());
    return Optional.of(Duration.ofMillis((long) (perStep * steps * 1000)));
  }

  /** Resident memory of the process now, or -1 where the system does not tell. */
  public long residentBytes() {
    return NativeRuntime.residentBytes();
  }

  /** Highest resident memory of the process so far, or -1 where the system does not tell. */
  public long peakMemoryBytes() {
    return NativeRuntime.peakResidentBytes();
  }

  private double seconds() {
    return elapsed.toNanos() / 1e9;
  }
}
