package org.peftjava.peft;

import java.nio.file.Path;
import java.util.function.Consumer;
import org.peftjava.torch.nn.Module;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.TaskModel;

/**
 * Models whose adapters are of different types: LORA, LOHA, LOKR, ADALORA, OFT and SHIRA. Several
 * can act together ({@code setAdapter("a", "b")}); each type works around those that were added
 * before it.
 *
 * <p>These are PeftModels for which {@code mixed(true)} was asked, which {@link Peft#getPeftModel}
 * takes too. Unlike Python's class they can be saved, and status reports work. Reference: PEFT
 * {@code mixed_model.py::PeftMixedModel}.
 */
public final class PeftMixedModel {
  private PeftMixedModel() {}

  /** Loads the first adapter onto a language model; {@code loadAdapter} adds others. */
  public static PeftModelForCausalLM fromPretrained(CausalLM model, String nameOrPath) {
    return fromPretrained(model, nameOrPath, options -> {});
  }

  /** The same with options. */
  public static PeftModelForCausalLM fromPretrained(
      CausalLM model, String nameOrPath, Consumer<LoadAdapterOptions.Builder> options) {
    return PeftModel.fromPretrained(model, nameOrPath, options.andThen(o -> o.mixed(true)));
  }

  /** The same for a folder. */
  public static PeftModelForCausalLM fromPretrained(
      CausalLM model, Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    return PeftModel.fromPretrained(model, folder, options.andThen(o -> o.mixed(true)));
  }

  /** Loads the first adapter onto a model with a head, such as a text classifier. */
  public static PeftModelForTask fromPretrained(TaskModel model, String nameOrPath) {
    return fromPretrained(model, nameOrPath, options -> {});
  }

  /** The same with options. */
  public static PeftModelForTask fromPretrained(
      TaskModel model, String nameOrPath, Consumer<LoadAdapterOptions.Builder> options) {
    return PeftModel.fromPretrained(model, nameOrPath, options.andThen(o -> o.mixed(true)));
  }

  /** The same for a folder. */
  public static PeftModelForTask fromPretrained(
      TaskModel model, Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    return PeftModel.fromPretrained(model, folder, options.andThen(o -> o.mixed(true)));
  }

  /** Loads the first adapter onto a model that writes text from text. */
  public static PeftModelForSeq2SeqLM fromPretrained(Seq2SeqLM model, String nameOrPath) {
    return fromPretrained(model, nameOrPath, options -> {});
  }

  /** The same with options. */
  public static PeftModelForSeq2SeqLM fromPretrained(
      Seq2SeqLM model, String nameOrPath, Consumer<LoadAdapterOptions.Builder> options) {
    return PeftModel.fromPretrained(model, nameOrPath, options.andThen(o -> o.mixed(true)));
  }

  /** The same for a folder. */
  public static PeftModelForSeq2SeqLM fromPretrained(
      Seq2SeqLM model, Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    return PeftModel.fromPretrained(model, folder, options.andThen(o -> o.mixed(true)));
  }

  /** Loads the first adapter onto any module tree. */
  public static PeftModel fromPretrained(Module model, String nameOrPath) {
    return fromPretrained(model, nameOrPath, options -> {});
  }

  /** The same with options. */
  public static PeftModel fromPretrained(
      Module model, String nameOrPath, Consumer<LoadAdapterOptions.Builder> options) {
    return PeftModel.fromPretrained(model, nameOrPath, options.andThen(o -> o.mixed(true)));
  }

  /** The same for a folder. */
  public static PeftModel fromPretrained(
      Module model, Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    return PeftModel.fromPretrained(model, folder, options.andThen(o -> o.mixed(true)));
  }
}
