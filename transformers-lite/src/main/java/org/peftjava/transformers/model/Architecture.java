package org.peftjava.transformers.model;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.peftjava.torch.DType;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;

/**
 * One kind of model: how to read its config, how to build it, and what its parts are called.
 *
 * <p>A new architecture is one package with an implementation, and one line in {@link
 * Architectures}.
 */
public interface Architecture {
  /** The value of {@code model_type} in {@code config.json}, such as "opt". */
  String modelType();

  /** The class with a language-model head in Python, such as "OPTForCausalLM". */
  String causalLmClass();

  /** The module of that class in Python, such as "transformers.models.opt.modeling_opt". */
  String parentLibrary();

  /** The name of the backbone inside the model with a head, such as "model". */
  String baseModelPrefix();

  /** The names of the layers by what they do. */
  ModuleRoles roles();

  /** Reads and checks a configuration. */
  PretrainedConfig config(ConfigJson json);

  /** Builds the backbone, without memory for its weights. */
  Backbone backbone(PretrainedConfig config, DType dtype);

  /** The tasks that there is a head for. */
  default Set<Task> tasks() {
    return EnumSet.of(
        Task.FEATURE_EXTRACTION,
        Task.CAUSAL_LM,
        Task.SEQUENCE_CLASSIFICATION,
        Task.TOKEN_CLASSIFICATION,
        Task.QUESTION_ANSWERING);
  }

  /** The class for a task in Python, such as "OPTForSequenceClassification". */
  default String className(Task task) {
    return task == Task.CAUSAL_LM
        ? causalLmClass()
        : causalLmClass().replaceFirst("(ForCausalLM|LMHeadModel)$", "") + task.suffix();
  }

  /** The name of the backbone inside the model for a task. */
  default String backboneName(Task task) {
    return baseModelPrefix();
  }

  /** Builds the backbone with the parts that a task needs, without memory for its weights. */
  default Backbone backbone(PretrainedConfig config, Task task, DType dtype) {
    return backbone(config, dtype);
  }

  /** Builds the head for one of the {@link #tasks}, without memory for its weights. */
  default Head head(Task task, HeadParts parts) {
    return StandardHeads.ofDecoder(task, parts);
  }

  /** The standard deviation with which the head for a task starts. */
  default double headStd(Task task, PretrainedConfig config) {
    return config.initialStd();
  }

  /**
   * Whether files may hold a weight of this name, for which the model for a task has no place,
   * without a warning: {@code _keys_to_ignore_on_load_unexpected}.
   */
  default boolean ignoresWeight(Task task, String name) {
    return false;
  }

  /** The present name of a weight that older files hold under another one. */
  default String presentName(String name) {
    return name;
  }

  /**
   * Names of layers that are never quantized: {@code _keep_in_fp32_modules}, whose products would
   * not fit float16.
   */
  default List<String> keepInFp32Modules() {
    return List.of();
  }

  /** Whether the model takes token types (segments). */
  default boolean hasTokenTypes() {
    return false;
  }

  /**
   * Whether several labels of a text, in a model whose config has no {@code problem_type}, are the
   * shares of each label, and the loss their cross entropy. Else they are yes or no each.
   */
  default boolean hasSharedLabels() {
    return false;
  }
}
