package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.checkpoint.Safetensors;

/**
 * An adapter of every tuning method, changed and saved here, and read again: here, and by the real
 * PEFT.
 *
 * <p>Python is not needed to run this. {@code -Dinterop.tuners=<folder>} keeps the folder for
 * check_tuners.py; what that script said is recorded in src/test/resources/interop/tuners.txt.
 */
@ExtendWith(NoLeaks.class)
class TunersInteropIT {
  static List<String> names() throws IOException {
    try (Stream<Path> folders = Files.list(Golden.ROOT)) {
      return folders
          .map(folder -> folder.getFileName().toString())
          .filter(name -> name.startsWith("tuner_"))
          .sorted()
          .toList();
    }
  }

  @ParameterizedTest
  @MethodSource("names")
  void whatJavaWritesJavaReads(String name, @TempDir Path temporary) {
    String kept = System.getProperty("interop.tuners");
    Path folder = kept == null ? temporary : Path.of(kept).toAbsolutePath().resolve(name);
    JsonNode facts = Golden.json(Golden.ROOT.resolve(name).resolve("case.json"));
    Path base = Golden.ROOT.resolve(facts.get("base").textValue());
    Randomness.manualSeed(3);
    try (TensorScope scope = TensorScope.open("interop");
        CausalLM model = AutoModelForCausalLM.fromPretrained(base)) {
      Map<String, Tensor> golden =
          Golden.tensors(Golden.ROOT.resolve(name).resolve("io.safetensors"));
      Tensor mask = golden.get("in.attention_mask");
      ModelInput input =
          ModelInput.builder()
              .inputIds(golden.get("in.input_ids"))
              .attentionMask(mask)
              .taskIds(golden.get("in.task_ids"))
              .build();
      Tensor before;
      Tensor written;
      try (PeftModelForCausalLM adapted =
          PeftModel.fromPretrained(
              model, Golden.ROOT.resolve(name).resolve("adapter"), o -> o.isTrainable(true))) {
        adapted.eval();
        before = logits(adapted, input, mask);
        adapted.namedParameters().values().stream()
            .filter(parameter -> parameter.requiresGrad())
            .forEach(TunersInteropIT::disturb);
        written = logits(adapted, input, mask);
        adapted.savePretrained(folder);
      }
      assertTrue(before.sub(written).abs().max().toDouble() > 1e-3, "the change does nothing");
      Safetensors.write(
          folder.resolve("expected.safetensors"), Map.of("logits", written), Map.of());
      try (CausalLM fresh = AutoModelForCausalLM.fromPretrained(base);
          PeftModelForCausalLM read = PeftModel.fromPretrained(fresh, folder, o -> {})) {
        Golden.assertClose(written, logits(read, input, mask), 1e-5, name);
      }
    }
  }

  private static void disturb(Parameter parameter) {
    Tensor old = parameter.tensor().detach();
    parameter.copyFrom(old.add(old.copy().uniformInPlace(-0.1, 0.1)));
  }

  private static Tensor logits(PeftModelForCausalLM model, ModelInput input, Tensor mask) {
    try (GradMode off = GradMode.noGrad()) {
      Tensor logits = model.forward(input).logits().orElseThrow();
      return logits.maskedFill(mask.eq(0).unsqueeze(-1), 0);
    }
  }

  @Test
  void pythonFoundNothingWrong() throws IOException {
    List<String> lines = Files.readAllLines(Path.of("src/test/resources/interop/tuners.txt"));
    assertTrue(lines.size() >= 55, "" + lines.size());
    for (String line : lines) {
      assertTrue(line.startsWith("ok  tuner_"), line);
    }
    assertEquals(lines.size(), lines.stream().distinct().count());
  }
}
