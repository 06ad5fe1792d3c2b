package org.peftjava.transformers;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.StepPlace;
import org.peftjava.torch.StepRecorders;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.cuda.StepRecorder;
import org.peftjava.transformers.model.KvCache;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The steps of one generation that feed one token a row, on a device that can record its work: the
 * first runs as it will be recorded, the second is recorded, and from then on the device repeats
 * it. The host starts one thing instead of hundreds.
 *
 * <p>Where a step cannot be recorded, the generation goes on without. Owns its memory: close it.
 */
final class RecordedSteps implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(RecordedSteps.class);

  /** A recording costs about as much as two steps. */
  private static final long FEWEST_STEPS = 8;

  /** After so many recordings something changes too often. */
  private static final int MOST_RECORDINGS = 4;

  private final CausalLanguageModel model;
  private final KvCache past;
  private final StepRecorder recorder;
  private int recordings;
  private @Nullable Step step;

  private RecordedSteps(CausalLanguageModel model, KvCache past, StepRecorder recorder) {
    this.model = model;
    this.past = past;
    this.recorder = recorder;
  }

  /**
   * The steps of a generation; null where they are not recorded.
   *
   * @param expected how many there may be
   */
  static @Nullable RecordedSteps of(
      CausalLanguageModel model, @Nullable KvCache past, long expected) {
    Device device = model.device();
    Optional<StepRecorder> recorder = StepRecorders.on(device);
    return past != null && expected >= FEWEST_STEPS && recorder.isPresent() && isOn(model, device)
        ? new RecordedSteps(model, past, recorder.get())
        : null;
  }

  private static boolean isOn(CausalLanguageModel model, Device device) {
    return model.module().namedState().values().stream()
        .allMatch(
            parameter -> parameter.isMaterialized() && parameter.tensor().device().equals(device));
  }

  /**
   * The logits (b, v) of a step, owned by the current scope; null if it is to be made another way,
   * of which nothing has been done then.
   */
  @Nullable Tensor logits(Tensor ids, @Nullable Tensor mask) {
    if (ids.size(1) != 1 || past.length() == 0 || past.length() >= past.room()) {
      return null;
    }
    RepeatedPasses passes =
        recordings > MOST_RECORDINGS ? null : model.repeatedPasses().orElse(null);
    if (passes == null) {
      drop();
      return null;
    }
    try (ModelAdapters.Pass pass = passes.run()) {
      Step current = step;
      if (current == null || !current.holds(passes, ids, mask)) {
        drop();
        recordings++;
        current = recordings > MOST_RECORDINGS ? null : new Step(passes, ids, mask);
        step = current;
      }
      return current == null ? null : current.logits(ids, mask);
    } catch (RuntimeException e) {
      LOG.debug("Steps are not recorded", e);
      recordings = MOST_RECORDINGS + 1;
      drop();
      return null;
    }
  }

  private void drop() {
    if (step != null) {
      step.close();
      step = null;
    }
  }

  @Override
  public void close() {
    drop();
  }

  /** A step in memory that stays where it is. */
  private final class Step implements AutoCloseable {
    private final long memory = past.changes();
    private final long changes;
    private final StepPlace place;
    private final Tensor ids;
    private final boolean padded;
    private long at = past.length(); // where the place is
    private boolean rehearsed;
    private StepRecorder.@Nullable Recording recording;
    private @Nullable Tensor logits; // (b, 1, v)

    Step(RepeatedPasses passes, Tensor like, @Nullable Tensor mask) {
      changes = passes.changes();
      padded = mask != null;
      past.blank();
      place = new StepPlace(model.device(), at, past.room(), mask);
      try (TensorScope scope = TensorScope.open("step ids")) {
        ids = Creation.empty(DType.INT64, model.device(), like.size(0), 1).escape();
      }
    }

    /** Whether the step is still that of the model, the cache and the rows. */
    boolean holds(RepeatedPasses passes, Tensor given, @Nullable Tensor mask) {
      return memory == past.changes()
          && changes == passes.changes()
          && padded == (mask != null)
          && ids.size(0) == given.size(0);
    }

    Tensor logits(Tensor given, @Nullable Tensor mask) {
      ids.copyInPlace(given);
      moveTo(past.length(), mask);
      Tensor result;
      if (!rehearsed) {
        recorder.rehearse(this::run);
        rehearsed = true;
        result = result();
      } else {
        StepRecorder.Recording again = recording;
        if (again == null) {
          again = recorder.record(this::run);
          recording = again;
        }
        result = again.replay(this::result);
      }
      at++;
      past.advance(1);
      return result;
    }

    /** Brings the place to where the new token comes, and the mask up to it. */
    private void moveTo(long tokens, @Nullable Tensor mask) {
      Tensor whole = place.mask();
      if (mask != null && whole != null) {
        long from = at == tokens ? tokens : 0;
        whole
            .narrow(1, from, tokens + 1 - from)
            .copyInPlace(mask.narrow(1, from, tokens + 1 - from));
      }
      if (at != tokens) {
        place.moveTo(tokens);
        at = tokens;
      }
    }

    /** What is recorded. */
    private void run() {
      try (TensorScope scope = TensorScope.open("recorded step")) {
        past.at(
            place,
            () -> {
              ModelInput input =
                  ModelInput.builder().inputIds(ids).past(past).logitsToKeep(1).build();
              keep(model.forward(input).logits().orElseThrow());
            });
        place.advance();
      }
    }

    private void keep(Tensor fresh) {
      free();
      logits = fresh.escape();
    }

    private void free() {
      if (logits != null) {
        logits.close();
        logits = null;
      }
    }

    /** A copy, since the next step writes where this one did. */
    private Tensor result() {
      Tensor made = logits;
      if (made == null) {
        throw new IllegalStateException("The step has no logits.");
      }
      return made.squeeze(1).copy();
    }

    @Override
    public void close() {
      if (recording != null) {
        recording.close();
      }
      free();
      place.close();
      ids.close();
    }
  }
}
