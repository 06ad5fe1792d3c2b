package org.peftjava.peft;

import java.util.function.Consumer;
import org.peftjava.peft.tuner.BaseModel;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.torch.nn.Module;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.TaskModel;

/** Adds adapters to models: the functions of Python's {@code peft} module. */
public final class Peft {
  private Peft() {}

  /**
   * Puts a new adapter "default" onto a language model. The model is borrowed and changed in place;
   * see {@link PeftModel}.
   */
  public static PeftModelForCausalLM getPeftModel(CausalLM model, TunerConfig config) {
    return getPeftModel(model, config, options -> {});
  }

  /** The same with a name for the adapter. */
  public static PeftModelForCausalLM getPeftModel(
      CausalLM model, TunerConfig config, String adapterName) {
    return getPeftModel(model, config, options -> options.adapterName(adapterName));
  }

  /** The same with options. */
  public static PeftModelForCausalLM getPeftModel(
      CausalLM model, TunerConfig config, Consumer<AdapterOptions.Builder> options) {
    checkTask(config);
    return PeftConstruction.create(new PeftModelForCausalLM(model, false), config, of(options));
  }

  /** Puts a new adapter "default" onto a model with a head, such as a text classifier. */
  public static PeftModelForTask getPeftModel(TaskModel model, TunerConfig config) {
    return getPeftModel(model, config, options -> {});
  }

  /** The same with options. */
  public static PeftModelForTask getPeftModel(
      TaskModel model, TunerConfig config, Consumer<AdapterOptions.Builder> options) {
    BaseModels.checkTask(config, model);
    return PeftConstruction.create(new PeftModelForTask(model, false), config, of(options));
  }

  /** Puts a new adapter onto any module tree. */
  public static PeftModel getPeftModel(Module model, TunerConfig config) {
    return getPeftModel(model, config, options -> {});
  }

  /** The same with options. */
  public static PeftModel getPeftModel(
      Module model, TunerConfig config, Consumer<AdapterOptions.Builder> options) {
    return PeftConstruction.create(new PeftModel(BaseModel.of(model), false), config, of(options));
  }

  /** Throws if the config is for another task than generating text. */
  static void checkTask(TunerConfig config) {
    config
        .taskType()
        .filter(task -> task != TaskType.CAUSAL_LM)
        .ifPresent(
            task -> {
              throw new IllegalArgumentException(
                  "The adapter's taskType is "
                      + task
                      + ", but the model is a language model. Expected CAUSAL_LM, or no task.");
            });
  }

  private static AdapterOptions of(Consumer<AdapterOptions.Builder> options) {
    AdapterOptions.Builder builder = AdapterOptions.builder();
    options.accept(builder);
    return builder.build();
  }
}
