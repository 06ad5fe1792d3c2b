package org.peftjava.transformers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;
import static org.peftjava.transformers.Goldens.assertClose;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.torch.Creation;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.checkpoint.Checkpoints;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.LayerTrace;

/**
 * What every architecture with heads must do, held against the goldens of heads.py. A subclass
 * names the folder.
 */
abstract class HeadContract {
  private static final double FORWARD = 1e-5;
  private static final double GRADIENT = 1e-4;

  private final String folder;
  private long liveBefore;

  @TempDir private Path temporary;

  HeadContract(String folder) {
    this.folder = folder;
  }

  @BeforeEach
  void countTensors() {
    liveBefore = TensorLedger.liveTensors();
  }

  @AfterEach
  void noTensorIsLeft() {
    assertEquals(liveBefore, TensorLedger.liveTensors());
  }

  private Path head(String name) {
    return Goldens.folder(folder).resolve(name);
  }

  private List<String> heads() {
    return Stream.of("base", "masked_lm", "sequence", "regression", "token", "span")
        .filter(name -> Files.isDirectory(head(name)))
        .toList();
  }

  static CheckpointModel load(String head, Path folder, Consumer<LoadOptions.Builder> options) {
    return switch (head) {
      case "base" -> AutoModel.fromPretrained(folder, options);
      case "masked_lm" -> AutoModelForMaskedLM.fromPretrained(folder, options);
      case "sequence", "regression" ->
          AutoModelForSequenceClassification.fromPretrained(folder, options);
      case "token" -> AutoModelForTokenClassification.fromPretrained(folder, options);
      case "span" -> AutoModelForQuestionAnswering.fromPretrained(folder, options);
      default -> throw new IllegalArgumentException(head);
    };
  }

  private static ModelInput.Builder input(Map<String, Tensor> golden, String side) {
    return ModelInput.builder()
        .inputIds(tensor(golden, side + ".input_ids"))
        .attentionMask(tensor(golden, side + ".attention_mask"))
        .positionIds(golden.get(side + ".position_ids"))
        .tokenTypeIds(golden.get(side + ".token_type_ids"));
  }

  static Tensor tensor(Map<String, Tensor> golden, String name) {
    Tensor tensor = golden.get(name);
    if (tensor == null) {
      throw new IllegalArgumentException("no golden " + name);
    }
    return tensor;
  }

  @TestFactory
  Stream<DynamicTest> outputs() {
    return heads().stream().map(head -> dynamicTest(head, () -> outputs(head)));
  }

  private void outputs(String head) {
    try (CheckpointModel model = load(head, head(head), options -> {});
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Map<String, Tensor> golden = Goldens.tensors(folder);
      assertFalse(model.module().isTraining());
      for (String side : List.of("in", "left")) {
        String prefix = head + "." + (side.equals("in") ? "" : "left_");
        ModelInput.Builder input = input(golden, side);
        compare(golden, prefix, model.forward(input.build()));
        input.outputHiddenStates(true).outputAttentions(true);
        ModelOutput traced = model.forward(input.build());
        compare(golden, prefix, traced);
        // every head's backbone is the same: what "base" and "span" compare with Python holds here
        try (LayerTrace trace = new LayerTrace(true, true)) {
          model.backbone().forward(input.build().backboneInput(trace));
          compare(
              golden, prefix + "hidden_states", trace.takeHiddenStates(), traced.hiddenStates());
          compare(golden, prefix + "attentions", trace.takeAttentions(), traced.attentions());
        }
      }
    }
  }

  /** Every kind of output that the golden has must be there, and no other. */
  private static void compare(Map<String, Tensor> golden, String prefix, ModelOutput output) {
    Map<String, Optional<Tensor>> parts =
        Map.of(
            "logits", output.logits(),
            "start_logits", output.startLogits(),
            "end_logits", output.endLogits(),
            "last_hidden_state", output.lastHiddenState(),
            "pooler_output", output.poolerOutput());
    parts.forEach(
        (name, actual) -> {
          Tensor expected = golden.get(prefix + name);
          assertEquals(expected != null, actual.isPresent(), prefix + name);
          if (expected != null) {
            compareRealRows(prefix, expected, actual.orElseThrow());
          }
        });
    assertTrue(output.loss().isEmpty());
  }

  /** What stands at padding depends on how a kernel treats rows that see nothing. */
  private static void compareRealRows(String prefix, Tensor expected, Tensor actual) {
    if (prefix.endsWith("left_") && expected.rank() >= 2 && expected.size(1) == 7) {
      assertClose(expected.select(0, 0), actual.select(0, 0), FORWARD);
      assertClose(
          expected.select(0, 1).narrow(0, 2, 5), actual.select(0, 1).narrow(0, 2, 5), FORWARD);
    } else {
      assertClose(expected, actual, FORWARD);
    }
  }

  private static void compare(
      Map<String, Tensor> golden, String name, List<Tensor> layers, List<Tensor> actual) {
    assertFalse(layers.isEmpty());
    assertEquals(layers.size(), actual.size(), name);
    Tensor all = Creation.stack(actual, 0);
    assertClose(Creation.stack(layers, 0), all, 0);
    Tensor expected = golden.get(name);
    if (expected != null) {
      assertClose(expected, all, FORWARD);
    }
  }

  @Test
  void embeddingsAndUnpaddedTexts() {
    try (CheckpointModel model = load("base", head("base"), options -> {});
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Map<String, Tensor> golden = Goldens.tensors(folder);
      Tensor ids = tensor(golden, "in.input_ids");
      ModelInput.Builder input = input(golden, "in");
      input.inputsEmbeds(model.backbone().inputEmbeddings().forward(ids));
      assertClose(
          tensor(golden, "base.from_embeds"),
          model.forward(input.build()).lastHiddenState().orElseThrow(),
          FORWARD);
      assertClose(
          tensor(golden, "base.unpadded"),
          model.forward(ModelInput.builder().inputIds(ids).build()).lastHiddenState().orElseThrow(),
          FORWARD);
    }
  }

  @TestFactory
  Stream<DynamicTest> losses() {
    List<DynamicTest> tests = new ArrayList<>();
    Goldens.json(folder)
        .get("losses")
        .fields()
        .forEachRemaining(
            loss -> {
              String head = loss.getValue().get("head").asText();
              String problem = loss.getValue().get("problemType").asText("");
              for (boolean checkpointing : new boolean[] {false, true}) {
                tests.add(
                    dynamicTest(
                        loss.getKey() + (checkpointing ? ", recomputed" : ""),
                        () -> loss(loss.getKey(), head, problem, checkpointing)));
              }
            });
    return tests.stream();
  }

  private void loss(String name, String head, String problem, boolean recomputed) {
    Consumer<LoadOptions.Builder> options =
        o -> {
          if (!problem.isEmpty()) {
            o.problemType(problem);
          }
        };
    try (CheckpointModel model = load(head, head(head), options);
        TensorScope scope = TensorScope.openGraph("test")) {
      Map<String, Tensor> golden = Goldens.tensors(folder);
      model.module().train(true);
      model.gradientCheckpointing(recomputed);
      ModelInput.Builder input = input(golden, "in");
      if (golden.containsKey(name + ".labels")) {
        input.labels(tensor(golden, name + ".labels"));
      } else {
        input
            .startPositions(tensor(golden, name + ".start_positions"))
            .endPositions(tensor(golden, name + ".end_positions"));
      }
      Tensor loss = model.forward(input.build()).loss().orElseThrow();
      assertClose(tensor(golden, name + ".loss"), loss, FORWARD);
      loss.backward();
      Map<String, Parameter> parameters = model.module().namedParameters();
      String prefix = name + ".grad.";
      int compared = 0;
      for (Map.Entry<String, Tensor> entry : golden.entrySet()) {
        if (entry.getKey().startsWith(prefix)) {
          compared++;
          Parameter parameter = parameters.get(entry.getKey().substring(prefix.length()));
          assertTrue(parameter != null, entry.getKey());
          Tensor gradient =
              parameter
                  .tensor()
                  .grad()
                  .orElseGet(() -> Creation.zeros(parameter.dtype(), parameter.shape().toArray()));
          assertClose(entry.getValue(), gradient, GRADIENT);
        }
      }
      assertTrue(compared >= 3, name + " compared " + compared);
      model.module().zeroGrad();
    }
  }

  /** Python's folder, read and written: the same files. */
  @TestFactory
  Stream<DynamicTest> savedAsPythonSaves() {
    return heads().stream().map(head -> dynamicTest(head, () -> savedAsPythonSaves(head)));
  }

  private void savedAsPythonSaves(String head) throws IOException {
    Path saved = temporary.resolve(head);
    try (CheckpointModel model = load(head, head(head), options -> {})) {
      model.savePretrained(saved);
    }
    assertEquals(
        ConfigJson.read(head(head).resolve("config.json")),
        ConfigJson.read(saved.resolve("config.json")));
    assertEquals(
        Files.readString(head(head).resolve("config.json")),
        Files.readString(saved.resolve("config.json")));
    try (WeightSource python = Checkpoints.open(head(head));
        WeightSource java = Checkpoints.open(saved)) {
      assertEquals(new TreeSet<>(python.names()), new TreeSet<>(java.names()));
    }
  }

  /**
   * A checkpoint of any head serves every other: what it lacks is new, what it has too much left.
   */
  @TestFactory
  Stream<DynamicTest> checkpointsOfOtherHeads() {
    return heads().stream()
        .flatMap(from -> heads().stream().map(to -> new String[] {from, to}))
        .map(pair -> dynamicTest(pair[0] + " into " + pair[1], () -> otherHead(pair[0], pair[1])));
  }

  private void otherHead(String from, String to) {
    Consumer<LoadOptions.Builder> options = o -> o.ignoreMismatchedSizes(true).numLabels(2);
    try (CheckpointModel source = load(from, head(from), o -> {});
        CheckpointModel target = load(to, head(from), options);
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Map<String, Tensor> golden = Goldens.tensors(folder);
      Tensor ids = tensor(golden, "in.input_ids");
      ModelInput input = ModelInput.builder().inputIds(ids).build();
      assertClose(
          source.backbone().forward(input.backboneInput(null)),
          target.backbone().forward(input.backboneInput(null)),
          1e-6);
      target.module().namedState().forEach((n, p) -> assertTrue(p.isMaterialized(), n));
      target.forward(input);
    }
  }
}
