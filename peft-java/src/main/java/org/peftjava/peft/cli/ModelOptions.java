package org.peftjava.peft.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.LoadOptions;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** How a model's weights are loaded. */
final class ModelOptions {
  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      description = "Load weights as float32, bfloat16 or float16 (default: as the folder says).")
  private String dtype = "auto";

  @Option(
      names = "--device",
      paramLabel = "NAME",
      description = "cpu, cuda or cuda:N (default: system property peftjava.device, else cpu).")
  private @Nullable String device;

  @Mixin private QuantizationOptions quantization = new QuantizationOptions();

  Device device() {
    String name = device;
    return CommandFailure.usage(() -> name == null ? Device.defaultDevice() : Device.parse(name));
  }

  /** The type that was asked for, or this one. */
  DType dtypeOr(DType otherwise) {
    return CommandFailure.usage(() -> dtype.equals("auto") ? otherwise : DType.parse(dtype));
  }

  /** Fails early if a value is not one. */
  void check() {
    dtypeOr(DType.FLOAT32);
    device();
    CommandFailure.usage(quantization::toConfig);
  }

  /** Whether weights are to be quantized while they are loaded. */
  boolean isQuantizing() {
    return quantization.toConfig().isPresent();
  }

  /** Loads a folder, or a repository of the hub, whose name the model then keeps. */
  CausalLM load(Path folder) {
    check();
    Consumer<LoadOptions.Builder> options =
        o -> {
          o.dtype(dtype).device(device());
          quantization.toConfig().ifPresent(o::quantizationConfig);
        };
    return CommandFailure.data(
        () ->
            Files.exists(folder)
                ? AutoModelForCausalLM.fromPretrained(folder, options)
                : AutoModelForCausalLM.fromPretrained(
                    folder.toString().replace('\\', '/'), options));
  }
}
