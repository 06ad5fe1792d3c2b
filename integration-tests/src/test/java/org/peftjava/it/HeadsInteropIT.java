package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoConfig;
import org.peftjava.transformers.AutoModel;
import org.peftjava.transformers.AutoModelForMaskedLM;
import org.peftjava.transformers.AutoModelForQuestionAnswering;
import org.peftjava.transformers.AutoModelForSequenceClassification;
import org.peftjava.transformers.AutoModelForTokenClassification;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.config.Labels;
import org.peftjava.transformers.config.PretrainedConfig;

/**
 * Models of every head, made and saved here, read by the real transformers.
 *
 * <p>Python is not needed to run this. {@code -Dinterop.heads=<folder>} keeps the folder for
 * check_heads.py; what that script said is recorded in src/test/resources/interop.
 */
@ExtendWith(NoLeaks.class)
class HeadsInteropIT {
  private static final Path RECORDED = Path.of("src/test/resources/interop/heads.txt");

  private static final long[][] IDS = {{5, 6, 17, 8, 29, 31, 9}, {5, 9, 33, 4, 11, 0, 0}};
  private static final long[][] MASK = {{1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 0, 0}};

  /** How each of Python's AutoModels is made. */
  private static final Map<String, BiFunction<PretrainedConfig, DType, ? extends PretrainedModel>>
      HEADS =
          Map.of(
              "AutoModel", AutoModel::fromConfig,
              "AutoModelForMaskedLM", AutoModelForMaskedLM::fromConfig,
              "AutoModelForSequenceClassification", AutoModelForSequenceClassification::fromConfig,
              "AutoModelForTokenClassification", AutoModelForTokenClassification::fromConfig,
              "AutoModelForQuestionAnswering", AutoModelForQuestionAnswering::fromConfig);

  private static final List<String> ALL = List.copyOf(HEADS.keySet());
  private static final String BASE = "AutoModel";
  private static final String TEXT = "AutoModelForSequenceClassification";
  private static final String TOKEN = "AutoModelForTokenClassification";
  private static final String SPAN = "AutoModelForQuestionAnswering";

  private static final Map<String, List<String>> ARCHITECTURES =
      Map.ofEntries(
          Map.entry("bert", ALL),
          Map.entry("roberta", ALL),
          Map.entry("xlm_roberta", ALL),
          Map.entry("camembert", ALL),
          Map.entry("deberta_v2", ALL),
          Map.entry("deberta_v3", ALL),
          Map.entry("distilbert", ALL),
          Map.entry("electra", ALL),
          Map.entry("opt", List.of(BASE, TEXT, SPAN)),
          Map.entry("mistral", List.of(BASE, TEXT, TOKEN, SPAN)),
          Map.entry("gpt_neox", List.of(BASE, TEXT, TOKEN, SPAN)),
          Map.entry("gptj", List.of(BASE, TEXT, SPAN)),
          Map.entry("gemma", List.of(BASE, TEXT, TOKEN)),
          Map.entry("phi", List.of(BASE, TEXT, TOKEN)),
          Map.entry("starcoder2", List.of(BASE, TEXT, TOKEN)));

  @Test
  void everyHeadIsWritten(@TempDir Path temporary) {
    String kept = System.getProperty("interop.heads");
    Path folder = kept == null ? temporary : Path.of(kept).toAbsolutePath();
    ARCHITECTURES.forEach(
        (architecture, heads) -> heads.forEach(head -> write(folder, architecture, head)));
  }

  private static void write(Path root, String architecture, String head) {
    Path folder = root.resolve(architecture + "-" + head);
    Randomness.manualSeed(5);
    try (TensorScope scope = TensorScope.open("write");
        GradMode off = GradMode.noGrad();
        PretrainedModel model = HEADS.get(head).apply(config(architecture, head), DType.FLOAT32)) {
      // louder than a model starts, biases and norms too
      model
          .module()
          .namedParameters()
          .values()
          .forEach(
              parameter -> {
                Tensor values = parameter.tensor();
                long[] sizes = values.shape().toArray();
                values.addInPlace(Creation.randn(DType.FLOAT32, sizes).to(values.device()), 0.3);
              });
      model.module().eval();
      ModelOutput output =
          model.forward(
              ModelInput.builder()
                  .inputIds(Creation.ofLongs(IDS))
                  .attentionMask(Creation.ofLongs(MASK))
                  .build());
      model.savePretrained(folder);
      Map<String, Tensor> expected = new LinkedHashMap<>();
      expected.put("input_ids", Creation.ofLongs(IDS));
      expected.put("attention_mask", Creation.ofLongs(MASK));
      output.logits().ifPresent(value -> expected.put("logits", value));
      output.startLogits().ifPresent(value -> expected.put("start_logits", value));
      output.endLogits().ifPresent(value -> expected.put("end_logits", value));
      output.lastHiddenState().ifPresent(value -> expected.put("last_hidden_state", value));
      output.poolerOutput().ifPresent(value -> expected.put("pooler_output", value));
      Safetensors.write(folder.resolve("expected.safetensors"), expected, Map.of());
    }
  }

  /** The shape of the golden models, three labels for classifiers. */
  private static PretrainedConfig config(String architecture, String head) {
    Path golden = Golden.ROOT.resolve("heads_" + architecture).resolve("base");
    PretrainedConfig config = AutoConfig.fromPretrained(golden.toString());
    return head.endsWith("Classification")
        ? AutoConfig.of(Labels.withCount(config.json(), 3))
        : AutoConfig.of(config.json());
  }

  @Test
  void pythonFoundNothingWrong() throws IOException {
    List<String> lines = Files.readAllLines(RECORDED);
    for (String line : lines) {
      assertTrue(line.startsWith("ok  "), line);
    }
    ARCHITECTURES.forEach(
        (architecture, heads) ->
            heads.forEach(
                head -> {
                  String name = "  " + architecture + "-" + head + ": ";
                  for (String check : List.of("class", "keys", "config", "outputs")) {
                    assertEquals(
                        1,
                        lines.stream().filter(line -> line.contains(name + check)).count(),
                        name + check);
                  }
                }));
  }
}
