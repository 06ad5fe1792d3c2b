package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftConfig;
import org.peftjava.peft.PeftModel;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.checkpoint.Safetensors;

/**
 * An adapter of every golden case, so of every tuning method, changed and saved here, and read
 * again: here, and by the real PEFT.
 *
 * <p>Python is not needed to run this. {@code -Dinterop.tuners=<folder>} keeps the folder for
 * check_tuners.py; what that script said is recorded in src/test/resources/interop/tuners.txt.
 */
@ExtendWith(NoLeaks.class)
class TunersInteropIT {
  private static final String WEIGHTS = "adapter_model.safetensors";

  /** Methods of which a file holds what their networks made, not the networks. */
  private static final Set<String> MADE =
      Set.of(
          "PROMPT_TUNING",
          "MULTITASK_PROMPT_TUNING",
          "PREFIX_TUNING",
          "P_TUNING",
          "CPT",
          "CARTRIDGE");

  /** Every case of one adapter on one model with results for a batch. */
  static List<String> names() throws IOException {
    try (Stream<Path> folders = Files.list(Golden.ROOT)) {
      return folders
          .filter(folder -> Files.exists(folder.resolve("adapter/adapter_config.json")))
          .filter(folder -> Files.exists(folder.resolve("case.json")))
          .filter(folder -> Files.isDirectory(base(folder)))
          .filter(TunersInteropIT::hasLogits)
          .map(folder -> folder.getFileName().toString())
          .sorted()
          .toList();
    }
  }

  private static boolean hasLogits(Path folder) {
    try (TensorScope scope = TensorScope.open("names")) {
      return Golden.open(folder.getFileName().toString())
          .keys()
          .containsAll(List.of("in.input_ids", "adapter.logits"));
    }
  }

  private static Path base(Path folder) {
    JsonNode shared = Golden.json(folder.resolve("case.json")).path("base");
    return shared.isTextual() ? Golden.ROOT.resolve(shared.textValue()) : folder.resolve("base");
  }

  @ParameterizedTest
  @MethodSource("names")
  void whatJavaWritesJavaReads(String name, @TempDir Path temporary) {
    String kept = System.getProperty("interop.tuners");
    Path folder = kept == null ? temporary : Path.of(kept).toAbsolutePath().resolve(name);
    Randomness.manualSeed(3);
    try (TensorScope scope = TensorScope.open("interop");
        GradMode off = GradMode.noGrad()) {
      Golden golden = Golden.open(name);
      Path adapter = golden.folder("adapter");
      JsonNode config = Golden.json(adapter.resolve("adapter_config.json"));
      String task = config.get("task_type").textValue();
      boolean made = MADE.contains(config.get("peft_type").textValue());
      Tensor before;
      Tensor written;
      try (PretrainedModel base = base(task, name);
          PeftModel adapted =
              made
                  ? TaskModels.adapted(
                      base, PeftConfig.fromPretrained(adapter).with("inference_mode", false))
                  : TaskModels.loaded(base, adapter, true)) {
        before = logits(adapted, golden, task);
        LoraCase.trainable(adapted).values().forEach(TunersInteropIT::disturb);
        written = logits(adapted, golden, task);
        adapted.savePretrained(folder);
      }
      assertTrue(before.sub(written).abs().max().toDouble() > 1e-3, "the change does nothing");
      assertEquals(
          new TreeSet<>(Golden.tensors(adapter.resolve(WEIGHTS)).keySet()),
          new TreeSet<>(Golden.tensors(folder.resolve(WEIGHTS)).keySet()));
      Safetensors.write(
          folder.resolve("expected.safetensors"), Map.of("logits", written), Map.of());
      try (PretrainedModel fresh = base(task, name);
          PeftModel read = TaskModels.loaded(fresh, folder, false)) {
        Golden.assertClose(written, logits(read, golden, task), 1e-5, name);
      }
    }
  }

  /** A model of packed layers computes with the types of training, as the script does. */
  private static PretrainedModel base(String task, String name) {
    PretrainedModel model = TaskModels.base(task, base(Golden.ROOT.resolve(name)));
    return isPacked(model)
        ? Peft.prepareModelForKbitTraining(model, o -> o.useGradientCheckpointing(false))
        : model;
  }

  private static boolean isPacked(PretrainedModel model) {
    return model.isLoadedIn4bit() || model.isLoadedIn8bit();
  }

  private static void disturb(Parameter parameter) {
    Tensor old = parameter.tensor().detach();
    parameter.copyFrom(old.add(old.copy().uniformInPlace(-0.1, 0.1)));
  }

  /** The logits of the text's own tokens, 0 where it is filled up. */
  private static Tensor logits(PeftModel model, Golden golden, String task) {
    PretrainedModel running = (PretrainedModel) model;
    running.module().train(isPacked(running)); // 8-bit layers round texts while they do not train
    Tensor mask = golden.get("in.attention_mask");
    ModelInput.Builder input =
        ModelInput.builder()
            .inputIds(golden.get("in.input_ids"))
            .attentionMask(mask)
            .taskIds(golden.find("in.task_ids"))
            .positionIds(golden.find("in.position_ids"))
            .tokenTypeIds(golden.find("in.token_type_ids"));
    if (task.equals("SEQ_2_SEQ_LM")) {
      input.labels(golden.get("in.labels")).outputLogits(true);
    }
    Tensor logits = TaskModels.logits(running, input.build()).to(DType.FLOAT32);
    if (task.equals("SEQ_2_SEQ_LM") || task.equals("SEQ_CLS")) {
      return logits;
    }
    long length = mask.size(1);
    return logits
        .narrow(1, logits.size(1) - length, length)
        .maskedFill(mask.eq(0).unsqueeze(-1), 0);
  }

  /** Python has read every case that there is; a new one needs a line, see interop/README.md. */
  @Test
  void pythonFoundNothingWrong() throws IOException {
    List<String> lines = Files.readAllLines(Path.of("src/test/resources/interop/tuners.txt"));
    for (String line : lines) {
      assertTrue(line.startsWith("ok  "), line);
    }
    assertEquals(names(), lines.stream().map(line -> line.split(" +", 3)[1]).toList());
  }
}
