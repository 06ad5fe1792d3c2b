package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.config.PretrainedConfig;

/**
 * Decoders built and saved here, and read by the real transformers.
 *
 * <p>Python is not needed to run this. {@code -Dinterop.dir=<folder>} keeps the folder for
 * check_decoders.py; what that script said is recorded in src/test/resources/interop.
 */
@ExtendWith(NoLeaks.class)
class DecoderInteropIT {
  private static final Path RECORDED = Path.of("src/test/resources/interop/decoders.txt");
  private static final double STD = 0.25;

  @Test
  void whatJavaWritesJavaReads(@TempDir Path temporary) {
    String kept = System.getProperty("interop.dir");
    Path folder = kept == null ? temporary : Path.of(kept).toAbsolutePath().resolve("decoders");
    for (String name : DecoderCase.ALL) {
      try (TensorScope scope = TensorScope.open(name);
          GradMode off = GradMode.noGrad()) {
        Golden golden = Golden.open(name);
        Map<String, Tensor> expected = new LinkedHashMap<>();
        expected.put("input_ids", golden.get("left.input_ids"));
        expected.put("attention_mask", golden.get("left.attention_mask"));
        Path place = folder.resolve(name);
        Tensor written;
        try (CausalLM model = random(AutoModelForCausalLM.config(golden.folder("base")))) {
          model.savePretrained(place);
          written = logits(golden, model);
        }
        try (CausalLM model = AutoModelForCausalLM.fromPretrained(place)) {
          Golden.assertClose(written, logits(golden, model), 0, name);
        }
        expected.put("logits", written);
        Safetensors.write(place.resolve("expected.safetensors"), expected, Map.of());
      }
    }
  }

  private static CausalLM random(PretrainedConfig config) {
    Randomness.manualSeed(5);
    CausalLM model = AutoModelForCausalLM.fromConfig(config, DType.FLOAT32);
    model.namedParameters().values().forEach(p -> p.tensor().normalInPlace(0, STD));
    model.eval();
    return model;
  }

  private static Tensor logits(Golden golden, CausalLM model) {
    return model.forward(golden.input("left").build()).logits().orElseThrow();
  }

  @Test
  void pythonFoundNothingWrong() throws IOException {
    List<String> lines = Files.readAllLines(RECORDED);
    assertEquals(2 * DecoderCase.ALL.size(), lines.size(), lines::toString);
    for (String line : lines) {
      assertTrue(line.startsWith("ok  "), line);
    }
    for (String name : DecoderCase.ALL) {
      assertEquals(2, lines.stream().filter(line -> line.contains("  " + name + ": ")).count());
    }
  }
}
