package org.peftjava.quant;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** How the linear layers of a model are quantized, and which of them. */
public interface QuantizationConfig {
  /** Where a model's output head sits unless its architecture says otherwise. */
  List<String> DEFAULT_OUTPUT_HEADS = List.of("lm_head");

  /**
   * Layers that stay as they are, in place of the default list, which is the output head. A name
   * stands for the paths that begin with it, as a regular expression, and for those that end with
   * it. Layers that share their weight stay in any case.
   */
  Optional<List<String>> skipModules();

  /** The same config with another list of {@link #skipModules}. */
  QuantizationConfig withSkipModules(List<String> names);

  /**
   * Quantizes one dense matrix (o, d), whose memory is not touched.
   *
   * @param rounded the type of the model's weights, that values are rounded to first
   */
  QuantizedWeight quantize(Tensor dense, DType rounded);

  /** A layer over a quantized weight and a bias (o), which may be null. */
  QuantizedLinear layer(QuantizedWeight weight, @Nullable Parameter bias);

  /**
   * A weight without memory for what a checkpoint holds, if that is in this format.
   *
   * @param dtype the type of the model's weights
   * @throws IllegalArgumentException if it is damaged
   */
  Optional<QuantizedWeight> stored(StoredLayer file, DType dtype);

  /** Every setting under its name in {@code config.json}. */
  Map<String, @Nullable Object> toDict();

  /** Checks that this build can do what is asked, before a model is touched. */
  void checkSupported();

  /**
   * Replaces the linear layers of a loaded model by quantized ones and frees their dense weights,
   * one after the other: at no time is more held than what is quantized so far, what is still dense
   * and one packed tensor (for a transposed weight, also its dense copy).
   *
   * <p>Reference: {@code transformers.integrations.bitsandbytes.replace_with_bnb_linear}.
   *
   * @param outputHeads paths of the output head, skipped by default
   * @return the paths of the layers that were quantized
   */
  default List<String> applyTo(Module model, Collection<String> outputHeads) {
    checkSupported();
    LayerReplacement replacement = LayerReplacement.of(model, this, outputHeads, List.of());
    replacement.quantizeRest();
    return List.copyOf(replacement.layers().keySet());
  }

  /** {@link #applyTo(Module, Collection)} with the {@link #DEFAULT_OUTPUT_HEADS}. */
  default List<String> applyTo(Module model) {
    return applyTo(model, DEFAULT_OUTPUT_HEADS);
  }
}
