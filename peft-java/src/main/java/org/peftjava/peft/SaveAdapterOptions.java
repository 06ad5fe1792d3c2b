package org.peftjava.peft;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.peftjava.peft.io.SaveEmbeddings;

/**
 * What is saved, and how.
 *
 * @param selectedAdapters the adapters to save; empty for all
 * @param saveEmbeddingLayers whether the base model's embeddings are saved too; if targeted
 * @param pathInitialModelForWeightConversion folder of the adapter as it was before training, if it
 *     is to be converted to plain LoRA
 */
public record SaveAdapterOptions(
    Optional<List<String>> selectedAdapters,
    SaveEmbeddings saveEmbeddingLayers,
    Optional<Path> pathInitialModelForWeightConversion) {
  /** The defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options; each method is the one of its record component. */
  public static final class Builder {
    private Optional<List<String>> selectedAdapters = Optional.empty();
    private SaveEmbeddings saveEmbeddingLayers = SaveEmbeddings.AUTO;
    private Optional<Path> pathInitialModelForWeightConversion = Optional.empty();

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

    /**
     * Converts an adapter that took its first values out of the base (PiSSA, OLoRA, CorDA, LoRA-GA)
     * to plain LoRA of twice the rank, which fits the base as it was.
     *
     * @param folder to which the adapter was saved before training
     */
    public Builder pathInitialModelForWeightConversion(Path folder) {
      pathInitialModelForWeightConversion = Optional.of(folder);
      return this;
    }

    /** The options. */
    public SaveAdapterOptions build() {
      return new SaveAdapterOptions(
          selectedAdapters, saveEmbeddingLayers, pathInitialModelForWeightConversion);
    }
  }
}
