package org.peftjava.peft;

import java.nio.file.Path;
import java.util.function.Consumer;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.Seq2SeqLM;

/**
 * Loads an adapter of a model that writes text from text, together with the base model that its
 * config names.
 */
public final class AutoPeftModelForSeq2SeqLM {
  private AutoPeftModelForSeq2SeqLM() {}

  /** Loads base model and adapter; closing the result closes both. */
  public static PeftModelForSeq2SeqLM fromPretrained(String nameOrPath) {
    return fromPretrained(nameOrPath, options -> {});
  }

  /** The same with options. */
  public static PeftModelForSeq2SeqLM fromPretrained(
      String nameOrPath, Consumer<LoadAdapterOptions.Builder> options) {
    return fromPretrained(LoadAdapterOptions.folder(nameOrPath, options), options);
  }

  /** The same for a folder. */
  public static PeftModelForSeq2SeqLM fromPretrained(
      Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    LoadAdapterOptions load = LoadAdapterOptions.of(options);
    String base = AdapterFolders.baseModel(folder, load, TaskType.SEQ_2_SEQ_LM);
    Seq2SeqLM model = AutoModelForSeq2SeqLM.fromPretrained(base, load.baseOptions());
    PeftModelForSeq2SeqLM result;
    try {
      result = new PeftModelForSeq2SeqLM(model, true);
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
    return AdapterFolders.load(result, folder, load);
  }
}
