package org.peftjava.it;

import java.nio.file.Path;
import java.util.function.Consumer;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.runtime.NativeRuntime;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.LoadOptions;

/** Loads a small model, then a large one, and prints what memory that took at most. */
public final class LoadingChild {
  private LoadingChild() {}

  /**
   * Arguments: the small model, the large model, the type, "dense", "nf4" or "int8". Prints bytes
   * before and at most.
   */
  public static void main(String[] arguments) {
    Consumer<LoadOptions.Builder> options =
        o -> {
          o.dtype(arguments[2]);
          if (!arguments[3].equals("dense")) {
            o.quantizationConfig(quantization(arguments[3].equals("nf4")));
          }
        };
    AutoModelForCausalLM.fromPretrained(Path.of(arguments[0]), options).close();
    long before = NativeRuntime.residentBytes();
    try (CausalLM model = AutoModelForCausalLM.fromPretrained(Path.of(arguments[1]), options)) {
      System.out.println("took " + before + " " + NativeRuntime.peakResidentBytes());
    }
  }

  private static BitsAndBytesConfig quantization(boolean four) {
    return BitsAndBytesConfig.builder()
        .loadIn4bit(four)
        .loadIn8bit(!four)
        .bnb4bitQuantType(QuantType.NF4)
        .bnb4bitUseDoubleQuant(true)
        .build();
  }
}
