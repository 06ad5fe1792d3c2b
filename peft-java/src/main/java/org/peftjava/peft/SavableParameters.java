package org.peftjava.peft;

import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Locale;
import java.util.Set;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.vblora.VBLoRAConfig;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * How much an adapter of VB-LoRA takes in a file; prints as Python's {@code
 * VBLoRAModel.print_savable_parameters}.
 *
 * @param vblora numbers of VB-LoRA, in numbers of float32: places of vectors are smaller
 * @param other other trained numbers
 */
public record SavableParameters(long vblora, long other) {
  private static final double BYTE = 0.25;
  private static final double SHORT = 0.5;

  static SavableParameters of(Module model, String adapter, TunerConfig config) {
    if (!(config instanceof VBLoRAConfig bank)) {
      throw new IllegalArgumentException(
          "The adapter \""
              + adapter
              + "\" is "
              + config.peftType()
              + ". Only the files of VB-LoRA are counted; of others, everything that is trained is"
              + " saved: see trainableParameters().");
    }
    long logits = 0;
    long vectors = 0;
    long other = 0;
    Set<Parameter> seen = Collections.newSetFromMap(new IdentityHashMap<>());
    for (var entry : model.namedParameters().entrySet()) {
      Parameter parameter = entry.getValue();
      if (!seen.add(parameter)) {
        continue;
      }
      if (entry.getKey().contains("vblora_logits")) {
        logits += parameter.numel();
      } else if (entry.getKey().contains("vblora_vector_bank")) {
        vectors += parameter.numel();
      } else if (parameter.requiresGrad()) {
        other += parameter.numel();
      }
    }
    if (bank.saveOnlyTopkWeights()) {
      double chosen = (double) logits / bank.numVectors();
      double places = chosen * bank.topk() * placeSize(bank.numVectors());
      return new SavableParameters((long) (vectors + chosen * (bank.topk() - 1) + places), other);
    }
    return new SavableParameters(vectors + logits, other);
  }

  /** Of the number of a vector, beside a float32. */
  private static double placeSize(int vectors) {
    return vectors < 1 << Byte.SIZE ? BYTE : vectors < 1 << (Short.SIZE - 1) ? SHORT : 1;
  }

  @Override
  public String toString() {
    return String.format(
        Locale.ROOT,
        "VB-LoRA params to-be-saved (float32-equivalent): %,d || total params to-be-saved: %,d",
        vblora,
        vblora + other);
  }
}
