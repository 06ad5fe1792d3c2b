package org.peftjava.peft.cli;

import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.DType;
import picocli.CommandLine.Option;

/** Fields of {@link BitsAndBytesConfig}, absent ones with its defaults. */
final class QuantizationOptions {
  @Option(
      names = "--load-in-4bit",
      description = "Quantize the weights of linear layers to 4 bits while they are loaded.")
  private boolean loadIn4bit;

  @Option(names = "--load-in-8bit", description = "The same to int8, with outliers apart.")
  private boolean loadIn8bit;

  @Option(
      names = "--bnb-4bit-quant-type",
      paramLabel = "TYPE",
      description = "Format of 4-bit weights: nf4 or fp4 (default: fp4).")
  private @Nullable QuantType quantType;

  @Option(
      names = "--bnb-4bit-use-double-quant",
      description = "Quantize the scales of 4-bit weights too.")
  private boolean useDoubleQuant;

  @Option(
      names = "--bnb-4bit-compute-dtype",
      paramLabel = "TYPE",
      description = "In which 4-bit layers compute (default: float32).")
  private @Nullable String computeDtype;

  @Option(
      names = "--bnb-4bit-quant-storage",
      paramLabel = "TYPE",
      description = "Type of the tensors that hold 4-bit codes (default: uint8).")
  private @Nullable String quantStorage;

  @Option(
      names = "--llm-int8-threshold",
      paramLabel = "X",
      description = "Activations at least this large are outliers of int8 layers (default: 6).")
  private @Nullable Double int8Threshold;

  @Option(
      names = "--llm-int8-skip-modules",
      split = ",",
      paramLabel = "NAME",
      description = "Layers that are not quantized, in 4 bits neither (default: the output head).")
  private @Nullable List<String> skipModules;

  /** What was asked for; empty if nothing was. */
  Optional<BitsAndBytesConfig> toConfig() {
    check();
    if (!loadIn4bit && !loadIn8bit) {
      return Optional.empty();
    }
    BitsAndBytesConfig.Builder config =
        BitsAndBytesConfig.builder()
            .loadIn4bit(loadIn4bit)
            .loadIn8bit(loadIn8bit)
            .bnb4bitUseDoubleQuant(useDoubleQuant);
    if (quantType != null) {
      config.bnb4bitQuantType(quantType);
    }
    if (computeDtype != null) {
      config.bnb4bitComputeDtype(DType.parse(computeDtype));
    }
    if (quantStorage != null) {
      config.bnb4bitQuantStorage(DType.parse(quantStorage));
    }
    if (int8Threshold != null) {
      config.llmInt8Threshold(int8Threshold);
    }
    if (skipModules != null) {
      config.llmInt8SkipModules(skipModules);
    }
    return Optional.of(config.build());
  }

  /** An option of a kind of weights that was not asked for would be ignored. */
  private void check() {
    if (loadIn4bit && loadIn8bit) {
      throw new IllegalArgumentException(
          "--load-in-4bit and --load-in-8bit exclude each other. Give one.");
    }
    needs(loadIn4bit, "--load-in-4bit", "--bnb-4bit-quant-type", quantType != null);
    needs(loadIn4bit, "--load-in-4bit", "--bnb-4bit-use-double-quant", useDoubleQuant);
    needs(loadIn4bit, "--load-in-4bit", "--bnb-4bit-compute-dtype", computeDtype != null);
    needs(loadIn4bit, "--load-in-4bit", "--bnb-4bit-quant-storage", quantStorage != null);
    needs(loadIn8bit, "--load-in-8bit", "--llm-int8-threshold", int8Threshold != null);
    needs(
        loadIn4bit || loadIn8bit,
        "--load-in-4bit or --load-in-8bit",
        "--llm-int8-skip-modules",
        skipModules != null);
  }

  private static void needs(boolean has, String needed, String option, boolean given) {
    if (given && !has) {
      throw new IllegalArgumentException(
          option + " is about quantized weights: give " + needed + ", too.");
    }
  }
}
