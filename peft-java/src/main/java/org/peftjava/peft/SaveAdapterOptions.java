package org.peftjava.peft;

import java.util.List;
import java.util.Optional;
import org.peftjava.peft.io.SaveEmbeddings;

/**
 * What is saved, and how.
 *
 * @param selectedAdapters the adapters to save; empty for all
 * @param saveEmbeddingLayers whether the base model's embeddings are saved too; if targeted
 */
public record SaveAdapterOptions(
    Optional<List<String>> selectedAdapters, SaveEmbeddings saveEmbeddingLayers) {
  /** The defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options; each method is the one of its record component. */
  public static final class Builder {
    private Optional<List<String>> selectedAdapters = Optional.empty();
    private SaveEmbeddings saveEmbeddingLayers = SaveEmbeddings.AUTO;

    private Builder() {}

    /** The adapters to save. */
    public Builder selectedAdapters(String... names) {
      selectedAdapters = Optional.of(List.of(names));
      return this;
    }

    /** Whether the base model's embeddings are saved too. */
    public Builder saveEmbeddingLayers(boolean value) {
      saveEmbeddingLayers = value ? SaveEmbeddings.YES : SaveEmbeddings.NO;
      return this;
    }

    /** The options. */
    public SaveAdapterOptions build() {
      return new SaveAdapterOptions(selectedAdapters, saveEmbeddingLayers);
    }
  }
}
