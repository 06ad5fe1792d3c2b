package org.peftjava.peft.cli;

import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.tokenizer.Tokenizer;
import org.peftjava.transformers.training.Dataset;
import org.peftjava.transformers.training.DatasetOptions;
import picocli.CommandLine.Option;

/** What is trained and evaluated on, and how texts become sequences. */
final class DataOptions {
  @Option(
      names = "--data",
      required = true,
      paramLabel = "FILE",
      description =
          "Training texts, UTF-8: .jsonl with {\"text\": ...}, {\"prompt\": ..., \"completion\":"
              + " ...} or {\"messages\": [...]} on each line, else one text a line. May be packed"
              + " (.gz).")
  private Path data = Path.of("");

  @Option(
      names = "--eval-data",
      paramLabel = "FILE",
      description = "Texts to evaluate on, before and after training.")
  private @Nullable Path evalData;

  @Option(
      names = "--text-field",
      paramLabel = "NAME",
      description = "The field with the text (default: ${DEFAULT-VALUE}).")
  private String textField = "text";

  @Option(
      names = "--max-length",
      paramLabel = "N",
      description =
          "Tokens of a sequence; longer texts are cut (default: what the model has positions for).")
  private @Nullable Integer maxLength;

  @Option(
      names = "--packing",
      negatable = true,
      description = "Join the training texts and cut them into blocks of --max-length tokens.")
  private boolean packing;

  @Option(
      names = "--append-eos-token",
      negatable = true,
      defaultValue = "true",
      fallbackValue = "true",
      description = "End each text with the end token, so that the model learns to stop (default).")
  private boolean appendEosToken = true;

  /** Fails early if a file is not there. */
  void check() {
    Inputs.file("data file", data);
    evalFile().ifPresent(file -> Inputs.file("data file", file));
  }

  Path trainFile() {
    return data;
  }

  Optional<Path> evalFile() {
    return Optional.ofNullable(evalData);
  }

  Dataset train(Tokenizer tokenizer, PretrainedConfig model) {
    return read(data, tokenizer, model, packing);
  }

  Optional<Dataset> eval(Tokenizer tokenizer, PretrainedConfig model) {
    return evalFile().map(file -> read(file, tokenizer, model, false));
  }

  private Dataset read(Path file, Tokenizer tokenizer, PretrainedConfig model, boolean packed) {
    int limit = maxLength == null ? model.maxPositionEmbeddings() : maxLength;
    Dataset dataset =
        CommandFailure.data(
            () -> Dataset.fromFile(file, tokenizer, options -> apply(options, limit, packed)));
    if (dataset.size() == 0) {
      throw new CommandFailure(
          ExitCode.BAD_DATA, "The data file " + file + " holds no text. Give at least one line.");
    }
    return dataset;
  }

  private void apply(DatasetOptions.Builder options, int limit, boolean packed) {
    options
        .textField(textField)
        .maxLength(limit)
        .truncation(!packed)
        .packing(packed)
        .appendEosToken(appendEosToken);
  }
}
