package org.peftjava.transformers.training;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoModelForMaskedLM;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.AutoModelForSequenceClassification;
import org.peftjava.transformers.AutoModelForTokenClassification;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.config.ConfigJson;

/** Optimizers and smoothed labels in the Trainer, beside transformers'. */
class TrainArgumentsTest extends TrainingRuns {

  @TestFactory
  List<DynamicTest> runsArePythons() throws IOException {
    List<DynamicTest> tests = new ArrayList<>();
    new ObjectMapper()
        .readTree(Goldens.folder("train_arguments.json").toFile())
        .properties()
        .forEach(
            row -> tests.add(DynamicTest.dynamicTest(row.getKey(), () -> check(row.getValue()))));
    assertEquals(12, tests.size());
    return tests;
  }

  private void check(JsonNode row) throws IOException {
    List<Example> data = examples(row);
    try (PretrainedModel model = load(row)) {
      Trainer.Builder builder =
          Trainer.builder()
              .model(model)
              .args(arguments(row.get("arguments")))
              .trainDataset(Dataset.of(data))
              .evalDataset(Dataset.of(data.subList(0, 4)));
      JsonNode weights = row.get("arguments").path("class_weights");
      if (weights.isArray()) {
        builder.computeLossFunc(weighted(weights));
      }
      Trainer trainer = builder.build();
      trainer.train();
      List<Map<String, Double>> log =
          trainer.state().logHistory().stream().filter(line -> line.containsKey("loss")).toList();
      for (int step = 0; step < row.get("losses").size(); step++) {
        double loss = row.get("losses").get(step).asDouble();
        assertEquals(loss, log.get(step).get("loss"), 5e-5 * (1 + loss), "loss of step " + step);
        double norm = row.get("grad_norm").get(step).asDouble();
        assertEquals(norm, log.get(step).get("grad_norm"), 1e-4 * (1 + norm), "norm of " + step);
      }
      row.get("after")
          .properties()
          .forEach(
              weight -> {
                float[] actual =
                    model.module().namedState().get(weight.getKey()).tensor().toFloats();
                for (int i = 0; i < weight.getValue().size(); i++) {
                  assertEquals(
                      weight.getValue().get(i).floatValue(), actual[i], 5e-4, weight.getKey());
                }
              });
      Map<String, Double> evaluated = trainer.evaluate();
      double loss = row.get("eval_loss").asDouble();
      assertEquals(loss, evaluated.get("eval_loss"), 1e-4 * (1 + loss));
      assertFalse(evaluated.containsKey("eval_perplexity"));
    }
  }

  /** Cross entropy whose classes count more or less; labels below 0 do not. */
  private static ComputeLossFunc weighted(JsonNode given) {
    float[] weights = new float[given.size()];
    for (int i = 0; i < weights.length; i++) {
      weights[i] = given.get(i).floatValue();
    }
    return (outputs, batch, numItemsInBatch) -> {
      long[] labels =
          Arrays.stream(batch.labels().orElseThrow()).flatMapToLong(Arrays::stream).toArray();
      float[] each = new float[labels.length];
      for (int i = 0; i < labels.length; i++) {
        each[i] = labels[i] < 0 ? 0 : weights[(int) labels[i]];
        labels[i] = Math.max(0, labels[i]);
      }
      Tensor logs =
          Ops.logSoftmax(
              outputs.logits().orElseThrow().reshape(-1, weights.length), -1, DType.FLOAT32);
      Tensor picked = logs.gather(1, Creation.ofLongs(labels, labels.length, 1));
      return picked.mul(Creation.ofFloats(each, each.length, 1)).sum().div(-numItemsInBatch);
    };
  }

  private static TrainingArguments arguments(JsonNode given) {
    return TrainingArguments.builder()
        .maxSteps(4)
        .perDeviceTrainBatchSize(2)
        .perDeviceEvalBatchSize(4)
        .gradientAccumulationSteps(
            given.has("label_smoothing_factor") || given.has("class_weights") ? 2 : 1)
        .lrSchedulerType(SchedulerType.CONSTANT)
        .learningRate(given.get("learning_rate").asDouble())
        .weightDecay(given.get("weight_decay").asDouble())
        .optim(
            OptimizerNames.valueOf(
                given.path("optim").asText("adamw_torch").toUpperCase(Locale.ROOT)))
        .optimArgs(given.path("optim_args").asText(""))
        .labelSmoothingFactor(given.path("label_smoothing_factor").asDouble(0))
        .loggingSteps(1)
        .trainSamplingStrategy(SamplingStrategy.SEQUENTIAL)
        .saveStrategy(SaveStrategy.NO)
        .build();
  }

  private static List<Example> examples(JsonNode row) {
    List<Example> examples = new ArrayList<>();
    for (JsonNode each : row.get("rows")) {
      long[] ids = longs(each.get("input_ids"));
      JsonNode labels = each.get("labels");
      examples.add(
          labels.isArray()
              ? row.get("kind").asText().equals("seq2seq")
                  ? Example.ofTarget(ids, longs(labels))
                  : new Example(ids, longs(labels))
              : Example.ofText(ids, labels.asLong()));
    }
    return examples;
  }

  private static long[] longs(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).mapToLong(JsonNode::asLong).toArray();
  }

  /** Without dropout. */
  private PretrainedModel load(JsonNode row) throws IOException {
    Path golden = Goldens.folder(row.get("folder").asText());
    Path folder = Files.createTempDirectory(this.folder, "model");
    Files.copy(golden.resolve("model.safetensors"), folder.resolve("model.safetensors"));
    Files.write(
        folder.resolve("config.json"),
        ConfigJson.read(golden.resolve("config.json")).with("dropout_rate", 0).toBytes());
    return switch (row.get("kind").asText()) {
      case "masked_lm" -> AutoModelForMaskedLM.fromPretrained(folder);
      case "causal_lm" -> AutoModelForCausalLM.fromPretrained(folder);
      case "sequence" -> AutoModelForSequenceClassification.fromPretrained(folder);
      case "token" -> AutoModelForTokenClassification.fromPretrained(folder);
      default -> AutoModelForSeq2SeqLM.fromPretrained(folder);
    };
  }

  /** In training only, and the same again with the same seed. */
  @Test
  void noiseOnEmbeddings() {
    List<Map<Integer, Double>> losses = new ArrayList<>();
    List<Double> evaluated = new ArrayList<>();
    for (double alpha : new double[] {0, 40, 40}) {
      try (CausalLM model = TinyModels.opt(0)) {
        Trainer trainer = trainer(model, threeSteps().neftuneNoiseAlpha(alpha).build());
        evaluated.add(trainer.evaluate().get("eval_loss"));
        trainer.train();
        losses.add(TinyModels.losses(trainer.state()));
      }
    }
    assertEquals(evaluated.get(0), evaluated.get(1));
    assertEquals(losses.get(1), losses.get(2));
    assertTrue(Math.abs(losses.get(0).get(1) - losses.get(1).get(1)) > 0.01, losses::toString);
  }

  @Test
  void badArgumentsAreExplained() {
    assertProblem(
        "labelSmoothingFactor must be from 0 to 1, got 1.5", o -> o.labelSmoothingFactor(1.5));
    assertProblem("neftuneNoiseAlpha must not be negative, got -1.0", o -> o.neftuneNoiseAlpha(-1));
    assertProblem(
        "optimArgs has [momentum], which the optimizer ADAMW_TORCH",
        o -> o.optimArgs("momentum=0.5"));
    assertProblem(
        "It takes [dampening, momentum, nesterov]",
        o -> o.optim(OptimizerNames.SGD).optimArgs("weight_decay=0.5"));
    assertProblem(
        "momentum is \"much\". Expected a number",
        o -> o.optim(OptimizerNames.SGD).optimArgs("momentum=much"));
    assertProblem(
        "Expected \"name=value, name=value\"",
        o -> o.optim(OptimizerNames.SGD).optimArgs("momentum"));
  }

  private void assertProblem(String part, Consumer<TrainingArguments.Builder> change) {
    try (CausalLM model = TinyModels.opt(0)) {
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () -> {
                    TrainingArguments.Builder builder = threeSteps();
                    change.accept(builder);
                    trainer(model, builder.build()).train();
                  })
              .getMessage();
      assertTrue(message.contains(part), message);
    }
  }
}
