package org.peftjava.transformers.model;

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
}
