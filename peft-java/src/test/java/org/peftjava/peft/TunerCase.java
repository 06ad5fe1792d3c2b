package org.peftjava.peft;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * One folder golden/tuner_*: an adapter of some method that the real PEFT made and measured, with
 * the base model open.
 */
final class TunerCase implements AutoCloseable {
  private final TensorScope scope = TensorScope.openGraph("case");
  private final String name;
  private final JsonNode facts;
  private final Map<String, Tensor> golden;
  private final CausalLM base;

  TunerCase(String name) {
    this.name = name;
    facts = Goldens.json(Goldens.path(name + "/case.json"));
    golden = Goldens.tensors(name + "/io.safetensors");
    base = openBase();
  }

  /** The names of all cases: whoever adds a folder adds a case. */
  static List<String> names() {
    try (Stream<Path> folders = Files.list(Goldens.path(""))) {
      return folders
          .map(folder -> folder.getFileName().toString())
          .filter(folder -> folder.startsWith("tuner_"))
          .sorted()
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static List<String> where(String fact, boolean value) {
    return names().stream()
        .filter(
            name -> Goldens.json(Goldens.path(name + "/case.json")).path(fact).asBoolean() == value)
        .toList();
  }

  /** Those that can be merged. */
  static List<String> mergeable() {
    return where("mergeable", true);
  }

  /** Those whose new adapters leave the base weights alone. */
  static List<String> besideTheBase() {
    return where("changesBase", false);
  }

  /** Those whose new adapters change nothing that the model says. */
  static List<String> startingWithoutEffect() {
    return where("startsWithoutEffect", true);
  }

  /** Those that work over quantized weights. */
  static List<String> quantizable() {
    return where("fullPrecisionOnly", false);
  }

  CausalLM base() {
    return base;
  }

  /** Another copy of the base model; the caller closes it. */
  CausalLM openBase() {
    return AutoModelForCausalLM.fromPretrained(
        Goldens.path(facts.path("base").asText(name + "/base")));
  }

  Path adapter() {
    return Goldens.path(name + "/adapter");
  }

  JsonNode facts() {
    return facts;
  }

  /** Whether gradients and steps were measured while training, not in evaluation. */
  boolean measuredInTraining() {
    return facts.path("training").asBoolean();
  }

  /** Whether a new adapter changes the base weights. */
  boolean changesBase() {
    return facts.path("changesBase").asBoolean();
  }

  /** Whether a buffer changes in training. */
  boolean moves(String name) {
    return names("movingBuffers", name);
  }

  /** Whether a trained parameter never gets a gradient. */
  boolean isWithoutGradient(String name) {
    return names("withoutGradient", name);
  }

  /** Whether a parameter has the type of a 16-bit base. */
  boolean isNarrow(String name) {
    return names("narrowOver16Bit", name);
  }

  private boolean names(String fact, String name) {
    return Goldens.texts(facts.path(fact)).stream().anyMatch(name::contains);
  }

  Map<String, Tensor> golden() {
    return golden;
  }

  Tensor golden(String key) {
    Tensor found = golden.get(key);
    if (found == null) {
      throw new IllegalArgumentException("no " + key + " in " + name);
    }
    return found;
  }

  /** The rows of a golden matrix of whole numbers. */
  long[][] rows(String key) {
    return rowsOf(golden(key));
  }

  /** The rows of a matrix of whole numbers. */
  static long[][] rowsOf(Tensor matrix) {
    int width = Math.toIntExact(matrix.size(1));
    long[] flat = matrix.toLongs();
    long[][] result = new long[flat.length / width][];
    for (int row = 0; row < result.length; row++) {
      result[row] = Arrays.copyOfRange(flat, row * width, (row + 1) * width);
    }
    return result;
  }

  /** The batch that texts are generated from. */
  TokenBatch prompts() {
    TokenBatch batch = TokenBatch.of(rows("left.input_ids"), rows("left.attention_mask"));
    return golden.containsKey("in.task_ids")
        ? batch.withTaskIds(golden("in.task_ids").toLongs())
        : batch;
  }

  double tolerance(String kind) {
    return facts.at("/tolerances/" + kind).asDouble();
  }

  /** The adapter as Python saved it, on the base. */
  PeftModelForCausalLM load() {
    PeftModelForCausalLM model =
        PeftModel.fromPretrained(base, adapter(), options -> options.isTrainable(true));
    model.eval();
    return model;
  }

  ModelInput input(boolean labels) {
    ModelInput.Builder input =
        ModelInput.builder()
            .inputIds(golden("in.input_ids"))
            .attentionMask(golden("in.attention_mask"));
    if (golden.containsKey("in.task_ids")) {
      input.taskIds(golden("in.task_ids"));
    }
    return (labels ? input.labels(golden("in.labels")) : input).build();
  }

  /** Logits without a graph, 0 at padded positions. */
  Tensor logits(CausalLanguageModel model) {
    try (GradMode off = GradMode.noGrad()) {
      return masked(model.forward(input(false)).logits().orElseThrow());
    }
  }

  Tensor loss(CausalLanguageModel model) {
    return model.forward(input(true)).loss().orElseThrow();
  }

  /** Python's logits, 0 at padded positions. */
  Tensor expected(String key) {
    return masked(golden(key));
  }

  private Tensor masked(Tensor logits) {
    return logits.maskedFill(golden("in.attention_mask").eq(0).unsqueeze(-1), 0);
  }

  @Override
  public void close() {
    base.close();
    scope.close();
  }
}
