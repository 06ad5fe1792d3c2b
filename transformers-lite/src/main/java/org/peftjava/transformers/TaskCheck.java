package org.peftjava.transformers;

import java.util.stream.Collectors;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.Architecture;
import org.peftjava.transformers.model.Architectures;
import org.peftjava.transformers.model.Task;

/** Whether an architecture can do what it is asked for. */
final class TaskCheck {
  private TaskCheck() {}

  /** The config's architecture, if it has a head for the task. */
  static Architecture architecture(PretrainedConfig config, Task task) {
    Architecture architecture = Architectures.get(config.modelType());
    if (!architecture.tasks().contains(task)) {
      throw new IllegalArgumentException(
          "A model of type '"
              + config.modelType()
              + "' has no head for "
              + task
              + ". It has heads for: "
              + architecture.tasks().stream().map(Task::toString).collect(Collectors.joining(", "))
              + ".");
    }
    return architecture;
  }

  /** Throws if the input has token types and the architecture knows none. */
  static void input(ModelInput input, Architecture architecture) {
    if (input.tokenTypeIds() != null && !architecture.hasTokenTypes()) {
      throw new IllegalArgumentException(
          "tokenTypeIds are given, but a model of type '"
              + architecture.modelType()
              + "' knows no token types. Leave them out.");
    }
  }
}
