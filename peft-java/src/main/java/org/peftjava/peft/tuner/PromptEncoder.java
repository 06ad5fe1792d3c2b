package org.peftjava.peft.tuner;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Module;

/**
 * What computes one adapter's virtual tokens. Its parameters have the names that they have in
 * Python below {@code prompt_encoder.<adapter>}.
 *
 * <p>Letters: {@code b} rows, {@code n} virtual tokens, {@code d} size of a vector.
 */
public abstract class PromptEncoder extends Module {
  /** The key of the virtual tokens in adapter_model.safetensors. */
  public static final String KEY = "prompt_embeddings";

  /** For subclasses. */
  protected PromptEncoder() {}

  /**
   * The virtual tokens, owned by the current scope: (n, d) for all rows, or (b, n, d).
   *
   * @param taskIds (b), int64, the task of each row, for methods that know tasks; else ignored
   */
  public abstract Tensor forward(@Nullable Tensor taskIds);

  /**
   * Whether, in training, virtual tokens stand in front of an encoder-decoder's target too: the
   * second half of them.
   */
  public boolean isOfBothSides() {
    return false;
  }

  /** Says whether what can be trained is trained. */
  public void trainable(boolean on) {
    requiresGrad(on);
  }

  /** The entries of the adapter's file, by key. */
  public abstract Map<String, AdapterTensor> saved();

  /** What {@link #forward} computes, as an entry of the file; reading it changes nothing. */
  protected final AdapterTensor result(long tokens, long size) {
    return new AdapterTensor(Shape.of(tokens, size), this::evaluated, values -> {});
  }

  /** The virtual tokens without dropout, whatever the mode. */
  private Tensor evaluated() {
    boolean training = isTraining();
    eval();
    try (GradMode off = GradMode.noGrad()) {
      return forward(null);
    } finally {
      train(training);
    }
  }

  /**
   * Whether the file's entries are only what was computed, so that the network that computes them
   * needs a file of its own for training to go on.
   */
  public boolean isNetwork() {
    return false;
  }
}
