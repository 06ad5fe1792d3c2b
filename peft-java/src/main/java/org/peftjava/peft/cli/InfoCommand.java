package org.peftjava.peft.cli;

import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.peftjava.peft.PeftConfig;
import org.peftjava.peft.io.AdapterCheckpoint;
import org.peftjava.peft.io.AdapterConfigJson;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.torch.DeviceReport;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.checkpoint.Checkpoints;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.config.PretrainedConfig;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code peft info}: what a model folder or an adapter folder holds; reads no weights. */
@Command(
    name = "info",
    description =
        "Shows what a model or adapter folder holds, and what this machine computes with.")
final class InfoCommand implements Callable<Integer> {
  private static final List<String> ADAPTER_FIELDS =
      List.of(
          "base_model_name_or_path",
          "task_type",
          "r",
          "lora_alpha",
          "lora_dropout",
          "target_modules",
          "modules_to_save",
          "bias",
          "use_rslora",
          "peft_version");

  @Spec private CommandSpec spec;
  @Mixin private CommonOptions common = new CommonOptions();

  @Parameters(index = "0", paramLabel = "DIR", description = "A model's or an adapter's folder.")
  private Path folder = Path.of("");

  @Override
  public Integer call() {
    Inputs.folder("model or adapter", folder);
    common.apply();
    boolean adapter = Files.isRegularFile(folder.resolve(AdapterConfigJson.FILE_NAME));
    if (adapter) {
      describeAdapter();
    } else {
      describeModel();
    }
    for (String line : DeviceReport.now().toString().lines().toList()) {
      row("device", line);
    }
    return ExitCode.OK;
  }

  private void describeAdapter() {
    TunerConfig config = CommandFailure.data(() -> PeftConfig.fromPretrained(folder));
    row("folder", folder);
    row("kind", config.peftType() + " adapter");
    for (String field : ADAPTER_FIELDS) {
      Object value = config.fields().values().get(field);
      if (value != null) {
        row(field, value);
      }
    }
    try (WeightSource weights = CommandFailure.data(() -> AdapterCheckpoint.open(folder))) {
      describeWeights(weights);
    }
  }

  private void describeModel() {
    PretrainedConfig config = CommandFailure.data(() -> AutoModelForCausalLM.config(folder));
    row("folder", folder);
    row("kind", config.modelType() + " model");
    row("layers", config.numHiddenLayers());
    row("hidden_size", config.hiddenSize());
    row("vocab_size", config.vocabSize());
    row("max_position_embeddings", config.maxPositionEmbeddings());
    row("tie_word_embeddings", config.tieWordEmbeddings());
    try (WeightSource weights = CommandFailure.data(() -> Checkpoints.open(folder))) {
      describeWeights(weights);
    }
  }

  private void describeWeights(WeightSource weights) {
    long parameters = 0;
    long bytes = 0;
    Map<String, Long> types = new TreeMap<>();
    for (String name : weights.names()) {
      long count = weights.shape(name).numel();
      parameters += count;
      bytes += count * weights.dtype(name).byteSize();
      types.merge(weights.dtype(name).pythonName(), count, Long::sum);
    }
    row("tensors", weights.names().size());
    row("parameters", String.format(Locale.ROOT, "%,d", parameters));
    row("dtypes", types);
    row("size", String.format(Locale.ROOT, "%,.1f KiB", bytes / 1024.0));
  }

  private void row(String name, Object value) {
    PrintWriter out = spec.commandLine().getOut();
    out.printf(Locale.ROOT, "%-24s %s%n", name, value);
  }
}
