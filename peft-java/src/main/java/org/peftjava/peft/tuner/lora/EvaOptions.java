package org.peftjava.peft.tuner.lora;

import java.util.Map;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Tensor;

/**
 * How EVA looks at the data: the arguments of {@code initialize_lora_eva_weights} and {@code
 * get_eva_state_dict} beside model and data. Each record component is documented at its setter.
 *
 * @param <B> a batch
 */
public record EvaOptions<B>(
    String adapterName,
    Optional<Map<String, Tensor>> evaStateDict,
    Consumer<B> forward,
    BiFunction<B, LoraConfig, @Nullable Tensor> modelInputs,
    LayerInputs layerInputs) {

  /** What of a layer's input counts. */
  @FunctionalInterface
  public interface LayerInputs {
    /**
     * Chooses rows.
     *
     * @param layerInput what the layer gets: (..., d)
     * @param modelInput what {@code prepareModelInputsFn} gave for the batch
     * @param layerName the layer's path
     * @return (n, d)
     */
    Tensor prepare(Tensor layerInput, @Nullable Tensor modelInput, String layerName);
  }

  /**
   * Collects options.
   *
   * @param <B> a batch
   */
  public static final class Builder<B> {
    private String adapterName = "default";
    private @Nullable Map<String, Tensor> evaStateDict;
    private Consumer<B> forwardFn;
    private BiFunction<B, LoraConfig, @Nullable Tensor> prepareModelInputsFn;
    private LayerInputs prepareLayerInputsFn = EvaOptions::rows;

    /**
     * Begins.
     *
     * @param forwardFn the default forward pass
     * @param prepareModelInputsFn the default choice of tokens
     */
    public Builder(
        Consumer<B> forwardFn, BiFunction<B, LoraConfig, @Nullable Tensor> prepareModelInputsFn) {
      this.forwardFn = forwardFn;
      this.prepareModelInputsFn = prepareModelInputsFn;
    }

    /** The adapter to initialize; "default". */
    public Builder<B> adapterName(String value) {
      adapterName = value;
      return this;
    }

    /** What {@code getEvaStateDict} gave, in place of data. */
    public Builder<B> evaStateDict(Map<String, Tensor> value) {
      evaStateDict = value;
      return this;
    }

    /** Runs the model on a batch; by default, as the model runs on a {@code TokenBatch}. */
    public Builder<B> forwardFn(Consumer<B> value) {
      forwardFn = value;
      return this;
    }

    /**
     * Says what counts in a batch; null for all. By default int64 (n), the numbers of the tokens,
     * row by row, that are no padding and, with {@code useLabelMask}, have a label.
     */
    public Builder<B> prepareModelInputsFn(BiFunction<B, LoraConfig, @Nullable Tensor> value) {
      prepareModelInputsFn = value;
      return this;
    }

    /** Chooses rows of a layer's input; by default those of the tokens that count. */
    public Builder<B> prepareLayerInputsFn(LayerInputs value) {
      prepareLayerInputsFn = value;
      return this;
    }

    /** The options. */
    public EvaOptions<B> build() {
      return new EvaOptions<>(
          adapterName,
          Optional.ofNullable(evaStateDict),
          forwardFn,
          prepareModelInputsFn,
          prepareLayerInputsFn);
    }
  }

  /** The rows of these numbers, or all where nothing is said. */
  private static Tensor rows(Tensor layerInput, @Nullable Tensor numbers, String layerName) {
    Tensor flat = layerInput.reshape(-1, layerInput.size(-1));
    return numbers == null ? flat : flat.indexSelect(0, numbers.to(flat.device()));
  }
}
