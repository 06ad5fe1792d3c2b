package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.torch.DType;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.model.opt.OptConfig;

/**
 * A model that is converted while it is loaded takes, at most, its own memory and that of one
 * tensor of the file (Python: the file's and its own). Measured as the highest resident memory of a
 * process of its own.
 */
class LoadMemoryIT {
  private static final long MEBIBYTE = 1 << 20;
  private static final Pattern TOOK = Pattern.compile("took (\\d+) (\\d+)");
  private static final int VOCABULARY = 8000;
  private static final int HIDDEN = 512;

  @TempDir Path folder;

  @Test
  void aConvertedModelPeaksAtItsOwnSizeAndOneTensor() throws IOException, InterruptedException {
    long parameters;
    try (CausalLM small = TinyOpt.model(TinyOpt.config());
        CausalLM large = AutoModelForCausalLM.fromConfig(config(), DType.FLOAT32)) {
      small.savePretrained(folder.resolve("small"));
      large.savePretrained(folder.resolve("one"));
      large.savePretrained(folder.resolve("shards"), options -> options.maxShardSize("20MB"));
      parameters =
          large.namedParameters().values().stream().mapToLong(p -> p.shape().numel()).sum();
    }
    long largest = (long) VOCABULARY * HIDDEN * Float.BYTES;
    long allowed = parameters * 2 + largest + 16 * MEBIBYTE;
    assertTrue(parameters * 4 > allowed, "the file itself would not be noticed");
    for (String name : List.of("one", "shards")) {
      long took = took(folder.resolve(name), "dense");
      assertTrue(took <= allowed, name + " took " + took + " bytes, allowed are " + allowed);
    }
  }

  /**
   * A model that is quantized while it is loaded: the packed weights and one tensor of the file.
   */
  @Test
  void aQuantizedModelPeaksAtItsPackedSizeAndOneTensor() throws IOException, InterruptedException {
    long linear = 8L * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * 4 * HIDDEN);
    long dense;
    try (CausalLM small = TinyOpt.model(TinyOpt.config());
        CausalLM large = AutoModelForCausalLM.fromConfig(config(), DType.FLOAT32)) {
      small.savePretrained(folder.resolve("small"));
      large.savePretrained(folder.resolve("shards"), options -> options.maxShardSize("20MB"));
      dense =
          large.namedParameters().values().stream().mapToLong(p -> p.shape().numel()).sum()
              - linear;
    }
    long largest = (long) VOCABULARY * HIDDEN * Float.BYTES;
    for (String format : List.of("nf4", "int8")) {
      long packed = format.equals("nf4") ? linear * 516 / 1000 : linear;
      long allowed = packed + dense * 2 + largest + 16 * MEBIBYTE;
      assertTrue((linear + dense) * 4 > allowed, "the file itself would not be noticed");
      long took = took(folder.resolve("shards"), format);
      assertTrue(took <= allowed, format + " took " + took + " bytes, allowed are " + allowed);
    }
  }

  private long took(Path model, String format) throws IOException, InterruptedException {
    Process child =
        ChildJvm.start(
            LoadingChild.class,
            folder.resolve("small").toString(),
            model.toString(),
            "bfloat16",
            format);
    List<String> output = child.inputReader().lines().toList();
    assertEquals(0, child.waitFor(), () -> String.join("\n", output));
    Matcher took = TOOK.matcher(output.get(output.size() - 1));
    assertTrue(took.matches(), () -> String.join("\n", output));
    return Long.parseLong(took.group(2)) - Long.parseLong(took.group(1));
  }

  private static OptConfig config() {
    return TinyOpt.config()
        .vocabSize(VOCABULARY)
        .hiddenSize(HIDDEN)
        .wordEmbedProjDim(HIDDEN)
        .ffnDim(4 * HIDDEN)
        .numHiddenLayers(8)
        .build();
  }
}
