package org.peftjava.quant;

import java.util.Collection;
import java.util.List;
import java.util.Optional;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Module;

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

  /** The type in which quantized layers compute. */
  DType computeDtype();

  /** Quantizes one dense matrix (o, d), whose memory is not touched. */
  QuantizedWeight quantize(Tensor dense);

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
    return new LayerReplacement(this, model, outputHeads).run();
  }

  /** {@link #applyTo(Module, Collection)} with the {@link #DEFAULT_OUTPUT_HEADS}. */
  default List<String> applyTo(Module model) {
    return applyTo(model, DEFAULT_OUTPUT_HEADS);
  }
}
