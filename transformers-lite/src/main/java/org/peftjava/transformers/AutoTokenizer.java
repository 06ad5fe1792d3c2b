package org.peftjava.transformers;

import java.nio.file.Path;
import java.util.function.Consumer;
import org.peftjava.transformers.checkpoint.PretrainedFolder;
import org.peftjava.transformers.tokenizer.Tokenizer;
import org.peftjava.transformers.tokenizer.TokenizerOptions;

/** Loads tokenizers. */
public final class AutoTokenizer {
  private AutoTokenizer() {}

  /**
   * Loads the tokenizer of a folder; the caller closes it.
   *
   * @param nameOrPath a local folder with {@code tokenizer.json}, or {@code vocab.json} and {@code
   *     merges.txt}, {@code vocab.txt}, a SentencePiece model ({@code tokenizer.model}, {@code
   *     spiece.model}, {@code sentencepiece.bpe.model}) or a tiktoken vocabulary ({@code
   *     tokenizer.model}, {@code tiktoken.model}); else a repository of the hub
   */
  public static Tokenizer fromPretrained(String nameOrPath) {
    return fromPretrained(nameOrPath, options -> {});
  }

  /** Loads the tokenizer of a folder, with changes. */
  public static Tokenizer fromPretrained(
      String nameOrPath, Consumer<TokenizerOptions.Builder> options) {
    TokenizerOptions load = options(options);
    Path folder =
        PretrainedFolder.resolve(
            nameOrPath, load.subfolder(), PretrainedFolder.TOKENIZER, load.hub());
    return Tokenizer.open(folder, load);
  }

  /** Loads the tokenizer of a folder; the caller closes it. */
  public static Tokenizer fromPretrained(Path folder) {
    return fromPretrained(folder, options -> {});
  }

  /** Loads the tokenizer of a folder, with changes. */
  public static Tokenizer fromPretrained(Path folder, Consumer<TokenizerOptions.Builder> options) {
    TokenizerOptions load = options(options);
    return Tokenizer.open(PretrainedFolder.below(folder, load.subfolder()), load);
  }

  private static TokenizerOptions options(Consumer<TokenizerOptions.Builder> options) {
    TokenizerOptions.Builder builder = TokenizerOptions.builder();
    options.accept(builder);
    return builder.build();
  }
}
