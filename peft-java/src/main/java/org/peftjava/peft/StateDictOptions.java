package org.peftjava.peft;

import org.peftjava.peft.io.SaveEmbeddings;

/**
 * Which state {@link Peft#getPeftModelStateDict} gives and {@link Peft#setPeftModelStateDict} sets.
 *
 * @param adapterName the adapter; "default"
 * @param saveEmbeddingLayers whether the base model's embeddings are given too; if targeted
 * @param ignoreMismatchedSizes whether values of other sizes are left out with a warning, not an
 *     error; false
 */
public record StateDictOptions(
    String adapterName, SaveEmbeddings saveEmbeddingLayers, boolean ignoreMismatchedSizes) {
  /** The defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options; each method is the one of its record component. */
  public static final class Builder {
    private String adapterName = PeftModel.DEFAULT_ADAPTER;
    private SaveEmbeddings saveEmbeddingLayers = SaveEmbeddings.AUTO;
    private boolean ignoreMismatchedSizes;

    private Builder() {}

    /** The adapter. */
    public Builder adapterName(String value) {
      adapterName = value;
      return this;
    }

    /** Whether the base model's embeddings are given too. */
    public Builder saveEmbeddingLayers(boolean value) {
      saveEmbeddingLayers = value ? SaveEmbeddings.YES : SaveEmbeddings.NO;
      return this;
    }

    /** Whether values of other sizes are left out. */
    public Builder ignoreMismatchedSizes(boolean value) {
      ignoreMismatchedSizes = value;
      return this;
    }

    /** The options. */
    public StateDictOptions build() {
      return new StateDictOptions(adapterName, saveEmbeddingLayers, ignoreMismatchedSizes);
    }
  }
}
