package org.peftjava.transformers.model;

import org.peftjava.torch.DType;
import org.peftjava.transformers.config.PretrainedConfig;

/**
 * The facts of a decoder-only architecture; what is left to it is its config and its backbone.
 *
 * @param <C> the architecture's config
 */
public abstract class DecoderArchitecture<C extends PretrainedConfig> implements Architecture {
  private final String modelType;
  private final String pythonModule;
  private final String causalLmClass;
  private final String baseModelPrefix;
  private final ModuleRoles roles;
  private final Class<C> configType;

  /**
   * The facts.
   *
   * @param modelType {@code model_type} in config.json
   * @param pythonModule the folder below {@code transformers.models}
   * @param causalLmClass Python's class with a language-model head
   * @param baseModelPrefix the backbone's name in it
   */
  protected DecoderArchitecture(
      String modelType,
      String pythonModule,
      String causalLmClass,
      String baseModelPrefix,
      ModuleRoles roles,
      Class<C> configType) {
    this.modelType = modelType;
    this.pythonModule = pythonModule;
    this.causalLmClass = causalLmClass;
    this.baseModelPrefix = baseModelPrefix;
    this.roles = roles;
    this.configType = configType;
  }

  /** Builds the backbone, without memory for its weights. */
  protected abstract Backbone build(C config, DType dtype);

  @Override
  public final String modelType() {
    return modelType;
  }

  @Override
  public final String causalLmClass() {
    return causalLmClass;
  }

  @Override
  public final String parentLibrary() {
    return "transformers.models." + pythonModule + ".modeling_" + pythonModule;
  }

  @Override
  public final String baseModelPrefix() {
    return baseModelPrefix;
  }

  @Override
  public final ModuleRoles roles() {
    return roles;
  }

  @Override
  public final Backbone backbone(PretrainedConfig config, DType dtype) {
    if (!configType.isInstance(config)) {
      throw new IllegalArgumentException(
          "A "
              + causalLmClass
              + " needs a "
              + configType.getSimpleName()
              + ", got "
              + config.getClass().getSimpleName()
              + ".");
    }
    return build(configType.cast(config), dtype);
  }
}
