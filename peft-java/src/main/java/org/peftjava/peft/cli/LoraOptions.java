package org.peftjava.peft.cli;

import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.lora.LoraConfigBuilder;
import org.peftjava.peft.tuner.lora.LoraInit;
import picocli.CommandLine.Option;

/** The adapter that training adds: fields of {@link LoraConfig}, absent ones with its defaults. */
final class LoraOptions {
  @Option(names = "--lora-r", paramLabel = "N", description = "Rank of the update (default: 8).")
  private @Nullable Integer r;

  @Option(
      names = "--lora-alpha",
      paramLabel = "X",
      description = "The update is scaled by alpha / r (default: 8).")
  private @Nullable Double alpha;

  @Option(
      names = "--lora-dropout",
      paramLabel = "P",
      description = "Dropout before the update (default: 0).")
  private @Nullable Double dropout;

  @Option(
      names = "--target-modules",
      split = ",",
      paramLabel = "NAME",
      description =
          "Layers to adapt: names separated by commas, all-linear, or one regular expression for"
              + " whole paths (default: the architecture's attention layers).")
  private @Nullable List<String> targetModules;

  @Option(
      names = "--exclude-modules",
      split = ",",
      paramLabel = "NAME",
      description = "Layers to leave out of these.")
  private @Nullable List<String> excludeModules;

  @Option(
      names = "--modules-to-save",
      split = ",",
      paramLabel = "NAME",
      description = "Layers to train wholly and save with the adapter.")
  private @Nullable List<String> modulesToSave;

  @Option(names = "--use-rslora", description = "Scale by alpha / sqrt(r) instead.")
  private boolean useRslora;

  @Option(
      names = "--bias",
      paramLabel = "WHICH",
      description = "Biases to train too: none, all or lora_only (default: none).")
  private LoraConfig.@Nullable Bias bias;

  @Option(
      names = "--init-lora-weights",
      paramLabel = "HOW",
      description = "true, false or gaussian (default: true, which starts as a no-op).")
  private @Nullable String initLoraWeights;

  /** Whether an option was given. */
  boolean isGiven() {
    return r != null
        || alpha != null
        || dropout != null
        || targetModules != null
        || excludeModules != null
        || modulesToSave != null
        || useRslora
        || bias != null
        || initLoraWeights != null;
  }

  LoraConfig toConfig() {
    return toConfig(TaskType.CAUSAL_LM);
  }

  /** The same for another task. */
  LoraConfig toConfig(TaskType task) {
    LoraConfigBuilder config = LoraConfig.builder().taskType(task);
    if (r != null) {
      config.r(r);
    }
    if (alpha != null) {
      config.loraAlpha(alpha);
    }
    if (dropout != null) {
      config.loraDropout(dropout);
    }
    if (targetModules != null) {
      config.targetModules(targets(targetModules));
    }
    if (excludeModules != null) {
      config.excludeModules(targets(excludeModules));
    }
    if (modulesToSave != null) {
      config.modulesToSave(modulesToSave.toArray(String[]::new));
    }
    if (bias != null) {
      config.bias(bias);
    }
    if (initLoraWeights != null) {
      config.initLoraWeights(init(initLoraWeights));
    }
    return config.useRslora(useRslora).build();
  }

  /** A text with characters that no module name has is a pattern. */
  private static TargetModules targets(List<String> values) {
    String first = values.get(0);
    if (values.size() == 1 && first.toLowerCase(Locale.ROOT).equals(TargetModules.ALL_LINEAR)) {
      return TargetModules.allLinear();
    }
    return values.size() == 1 && !first.matches("[\\w.]*")
        ? TargetModules.regex(first)
        : TargetModules.names(values);
  }

  private static LoraInit init(String name) {
    return switch (name.toLowerCase(Locale.ROOT)) {
      case "true" -> new LoraInit.Standard();
      case "false" -> new LoraInit.Random();
      default ->
          LoraInit.named(name)
              .map(LoraOptions::withoutData)
              .orElseThrow(
                  () ->
                      new IllegalArgumentException(
                          "--init-lora-weights is "
                              + name
                              + ". Expected true, false or gaussian."));
    };
  }

  /** EVA, CorDA and LoRA-GA look at data first, which only a program can do. */
  private static LoraInit withoutData(LoraInit init) {
    if (init instanceof LoraInit.Eva
        || init instanceof LoraInit.Corda
        || init instanceof LoraInit.LoraGa) {
      throw new IllegalArgumentException(
          "--init-lora-weights "
              + init.toField()
              + " needs data before the adapter is made. Use it from Java:"
              + " Peft.initializeLoraEvaWeights, Corda.preprocessCorda, Loraga.preprocessLoraga.");
    }
    return init;
  }
}
