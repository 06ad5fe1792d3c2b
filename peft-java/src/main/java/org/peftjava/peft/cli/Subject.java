package org.peftjava.peft.cli;

import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;

/** A loaded base model with or without an adapter, in evaluation mode; closing frees both. */
final class Subject implements AutoCloseable {
  private final CausalLM base;
  private final @Nullable PeftModelForCausalLM adapted;

  private Subject(CausalLM base, @Nullable PeftModelForCausalLM adapted) {
    this.base = base;
    this.adapted = adapted;
  }

  static Subject load(AdaptedModelOptions options) {
    CausalLM base = options.loadBase();
    Optional<Path> adapter = options.adapter();
    if (adapter.isEmpty()) {
      return new Subject(base, null);
    }
    try {
      return new Subject(base, options.adapt(base, adapter.get()));
    } catch (RuntimeException e) {
      base.close();
      throw e;
    }
  }

  CausalLanguageModel model() {
    return adapted == null ? base : adapted;
  }

  @Override
  public void close() {
    if (adapted != null) {
      adapted.close();
    }
    base.close();
  }
}
