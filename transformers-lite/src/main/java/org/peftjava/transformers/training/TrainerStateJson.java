package org.peftjava.transformers.training;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.peftjava.transformers.checkpoint.AtomicFiles;
import org.peftjava.transformers.config.PythonJson;

/**
 * {@code trainer_state.json}: exactly the fields that transformers' {@code TrainerState} reads and
 * writes.
 */
final class TrainerStateJson {
  private static final long MAX_BYTES = 1L << 30;

  private TrainerStateJson() {}

  static void write(Path file, TrainerState state, TrainingArguments args) {
    ObjectNode fields = JsonNodeFactory.instance.objectNode();
    fields.putNull("best_global_step").putNull("best_metric").putNull("best_model_checkpoint");
    state.bestGlobalStep().ifPresent(step -> fields.put("best_global_step", step));
    state.bestMetric().ifPresent(metric -> fields.put("best_metric", metric));
    state.bestModelCheckpoint().ifPresent(path -> fields.put("best_model_checkpoint", path));
    fields
        .put("epoch", state.epoch())
        .put("eval_steps", args.evalSteps())
        .put("global_step", state.globalStep())
        .put("is_hyper_param_search", false)
        .put("is_local_process_zero", true)
        .put("is_world_process_zero", true)
        .put("logging_steps", args.loggingSteps())
        .put("max_steps", state.maxSteps())
        .put("num_input_tokens_seen", state.numInputTokensSeen())
        .put("num_train_epochs", state.numTrainEpochs())
        .put("save_steps", args.saveSteps())
        .put("total_flos", 0.0)
        .put("train_batch_size", args.perDeviceTrainBatchSize())
        .putNull("trial_name")
        .putNull("trial_params");
    fields.putObject("stateful_callbacks");
    ArrayNode history = fields.putArray("log_history");
    for (Map<String, Double> line : state.logHistory()) {
      ObjectNode entry = history.addObject();
      line.forEach(entry::put);
      entry.put("step", line.getOrDefault("step", 0.0).longValue());
    }
    String text = PythonJson.write(fields, true) + "\n";
    AtomicFiles.write(file, text.getBytes(StandardCharsets.UTF_8));
  }

  /** Reads what a resumed run continues from. */
  static TrainerState read(Path file) {
    JsonNode node = PythonJson.read(file, MAX_BYTES);
    if (!node.path("global_step").isIntegralNumber() || !node.path("epoch").isNumber()) {
      throw new IllegalArgumentException(
          file
              + " lacks the numbers global_step and epoch. Is it the trainer_state.json of a"
              + " checkpoint?");
    }
    List<Map<String, Double>> history = new ArrayList<>();
    for (JsonNode line : node.path("log_history")) {
      Map<String, Double> entry = new LinkedHashMap<>();
      line.properties().forEach(field -> entry.put(field.getKey(), field.getValue().asDouble()));
      history.add(entry);
    }
    TrainerState state = new TrainerState();
    state.restore(
        node.path("epoch").asDouble(),
        node.path("global_step").asInt(),
        node.path("num_input_tokens_seen").asLong(),
        history);
    state.restoreBest(
        node.path("best_metric").isNumber() ? node.path("best_metric").asDouble() : null,
        node.path("best_global_step").isNumber() ? node.path("best_global_step").asInt() : null,
        node.path("best_model_checkpoint").textValue());
    return state;
  }
}
