package org.peftjava.peft;

import java.nio.file.Path;
import java.util.function.Consumer;
import org.peftjava.peft.io.AdapterConfigJson;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.checkpoint.PretrainedFolder;

/**
 * Loads an adapter of a model that writes text from text, together with the base model that its
 * config names.
 */
public final class AutoPeftModelForSeq2SeqLM {
  private AutoPeftModelForSeq2SeqLM() {}

  /** Loads base model and adapter; closing the result closes both. */
  public static PeftModelForSeq2SeqLM fromPretrained(String nameOrPath) {
    return fromPretrained(PretrainedFolder.resolve(nameOrPath), options -> {});
  }

  /** The same with options. */
  public static PeftModelForSeq2SeqLM fromPretrained(
      String nameOrPath, Consumer<LoadAdapterOptions.Builder> options) {
    return fromPretrained(PretrainedFolder.resolve(nameOrPath), options);
  }

  /** The same for a folder. */
  public static PeftModelForSeq2SeqLM fromPretrained(
      Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    LoadAdapterOptions load = LoadAdapterOptions.of(options);
    TunerConfig config = load.config().orElseGet(() -> AdapterConfigJson.read(folder));
    Peft.checkTask(config, TaskType.SEQ_2_SEQ_LM);
    String base =
        load.baseModelNameOrPath()
            .or(config::baseModelNameOrPath)
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        "The adapter in "
                            + folder
                            + " does not name its base model (base_model_name_or_path). Load the"
                            + " base with AutoModelForSeq2SeqLM and use PeftModel.fromPretrained,"
                            + " or give the option baseModelNameOrPath."));
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
