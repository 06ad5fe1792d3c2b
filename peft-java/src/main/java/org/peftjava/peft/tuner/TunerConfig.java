package org.peftjava.peft.tuner;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.nn.AdapterConfig;

/**
 * The configuration of one adapter: what adapter_config.json holds. Immutable.
 *
 * <p>Implementations are the configs of the tuning methods, such as LoraConfig. The fields here are
 * common to all of them; reference: PEFT {@code config.py::PeftConfig}.
 */
public interface TunerConfig extends AdapterConfig {
  /** Version of Python PEFT whose file format this library writes. */
  String PEFT_VERSION = "0.21.0";

  /** Every field under its name in adapter_config.json. */
  ConfigFields fields();

  /** The same config with one field changed, checked again. */
  TunerConfig with(String field, @Nullable Object value);

  @Override
  default String peftType() {
    return fields().text("peft_type").orElseThrow();
  }

  /** What the model is for, if said. */
  default Optional<TaskType> taskType() {
    return fields().text("task_type").map(TaskType::parse);
  }

  /** Id or folder of the model that the adapter was made for. */
  default Optional<String> baseModelNameOrPath() {
    return fields().text("base_model_name_or_path");
  }

  /** Revision of the base model. */
  default Optional<String> revision() {
    return fields().text("revision");
  }

  /** Version of PEFT that wrote the file. */
  default Optional<String> peftVersion() {
    return fields().text("peft_version");
  }

  /** Whether the adapter is frozen. */
  default boolean inferenceMode() {
    return fields().flag("inference_mode");
  }

  /** Class and library of the base model, written when there is no task type. */
  default Optional<Map<String, @Nullable Object>> autoMapping() {
    return fields().object("auto_mapping");
  }

  /**
   * Ranges of layers, first and the one after the last, that make the stack which the adapter is
   * for; empty for the stack as it is.
   */
  default List<List<Integer>> layerReplication() {
    return List.of();
  }

  /** Tokens from whose last occurrence on the adapter acts; empty if it acts everywhere. */
  default List<Long> invocationTokens() {
    return List.of();
  }

  /** Whether layers that share a weight share their adapter, or their full copy. */
  default boolean ensureWeightTying() {
    return false;
  }

  /** Modules that are trained and saved in full besides the adapter. */
  default List<String> modulesToSave() {
    return fields().texts("modules_to_save").orElse(List.of());
  }
}
