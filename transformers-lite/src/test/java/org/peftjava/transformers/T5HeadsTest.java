package org.peftjava.transformers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.Creation;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;

/** T5 with heads that judge texts, tokens and answers, beside transformers. */
class T5HeadsTest {
  private static final Path FOLDER = Goldens.folder("t5_heads");

  private long before;
  private TensorScope scope;
  private Map<String, Tensor> golden;

  @BeforeEach
  void open() {
    before = TensorLedger.liveTensors();
    scope = TensorScope.openGraph("test");
    golden = Goldens.tensors("t5_heads");
  }

  @AfterEach
  void close() {
    scope.close();
    assertEquals(before, TensorLedger.liveTensors());
  }

  private static CheckpointModel load(String kind, Path folder) {
    return switch (kind) {
      case "sequence" -> AutoModelForSequenceClassification.fromPretrained(folder);
      case "token" -> AutoModelForTokenClassification.fromPretrained(folder);
      default -> AutoModelForQuestionAnswering.fromPretrained(folder);
    };
  }

  private ModelInput.Builder input(String side) {
    Tensor ids = golden.get(side + "ids");
    return ModelInput.builder().inputIds(ids).attentionMask(ids.ne(0).to(ids.dtype()));
  }

  private void assertOutputs(String kind, CheckpointModel model) {
    try (GradMode off = GradMode.noGrad()) {
      for (String side : new String[] {"", "left_"}) {
        ModelOutput output = model.forward(input(side).build());
        if (kind.equals("span")) {
          assertClose(kind + "." + side + "start", output.startLogits().orElseThrow());
          assertClose(kind + "." + side + "end", output.endLogits().orElseThrow());
        } else {
          assertClose(kind + "." + side + "logits", output.logits().orElseThrow());
        }
      }
    }
  }

  private void assertClose(String key, Tensor actual) {
    Goldens.assertClose(golden.get(key), actual, 1e-5);
  }

  @ParameterizedTest
  @ValueSource(strings = {"sequence", "token", "span"})
  void outputsLossGradientsAndFiles(String kind, @TempDir Path folder) {
    try (CheckpointModel model = load(kind, FOLDER.resolve(kind))) {
      assertOutputs(kind, model);
      ModelInput.Builder labelled = input("");
      if (kind.equals("span")) {
        labelled.startPositions(golden.get("span.start_positions"));
        labelled.endPositions(golden.get("span.end_positions"));
      } else {
        labelled.labels(golden.get(kind + ".labels"));
      }
      Tensor loss = model.forward(labelled.build()).loss().orElseThrow();
      assertClose(kind + ".loss", loss);
      loss.backward();
      String prefix = kind + ".grad.";
      long compared =
          golden.keySet().stream()
              .filter(key -> key.startsWith(prefix))
              .peek(
                  key ->
                      Goldens.assertClose(
                          golden.get(key),
                          model
                              .module()
                              .namedParameters()
                              .get(key.substring(prefix.length()))
                              .tensor()
                              .grad()
                              .orElseThrow(),
                          1e-4))
              .count();
      assertTrue(compared >= 4, () -> compared + " gradients");
      model.module().zeroGrad();
      model.savePretrained(folder);
      try (CheckpointModel again = load(kind, folder)) {
        assertOutputs(kind, again);
      }
    }
  }

  /** Text-to-text checkpoints lack these heads: they get fresh values. */
  @ParameterizedTest
  @ValueSource(strings = {"sequence", "token", "span"})
  void aModelThatWritesBecomesOneThatJudges(String kind) {
    Path writer = Goldens.folder("t5_v10").resolve("model");
    try (GradMode off = GradMode.noGrad();
        CheckpointModel model = load(kind, writer)) {
      ModelOutput output = model.forward(input("").build());
      Tensor scores = output.logits().or(output::startLogits).orElseThrow();
      assertTrue(Double.isFinite(scores.abs().sum().toDouble()));
    }
  }

  @Test
  void rowsNeedAsManyEndTokens() {
    try (CheckpointModel model = load("sequence", FOLDER.resolve("sequence"))) {
      Tensor ids = Creation.ofLongs(new long[][] {{5, 1}, {6, 7}});
      ModelInput input = ModelInput.builder().inputIds(ids).build();
      assertEquals(
          "The rows have [1, 0] end tokens (eos_token_id [1]). A text is judged by its last one:"
              + " expected as many in each row, at least one.",
          assertThrows(IllegalArgumentException.class, () -> model.forward(input)).getMessage());
    }
  }
}
