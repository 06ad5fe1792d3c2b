package org.peftjava.peft.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Randomness;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.generation.TokenListener;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.tokenizer.Tokenizer;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code peft generate}: continues a prompt, printing tokens as they come. */
@Command(
    name = "generate",
    description = "Continues a prompt; the text goes to stdout as it comes.")
final class GenerateCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private CommonOptions common = new CommonOptions();
  @Mixin private AdaptedModelOptions models = new AdaptedModelOptions();

  @ArgGroup(multiplicity = "1")
  private Prompt prompt = new Prompt();

  /** Where the prompt comes from. */
  static final class Prompt {
    @Option(names = "--prompt", paramLabel = "TEXT", description = "The text to continue.")
    private @Nullable String text;

    @Option(
        names = "--prompt-file",
        paramLabel = "FILE",
        description = "A UTF-8 file with the text to continue.")
    private @Nullable Path file;
  }

  @Option(names = "--no-echo", description = "Print the continuation without the prompt.")
  private boolean noEcho;

  @Option(
      names = "--max-new-tokens",
      paramLabel = "N",
      description = "Tokens to add at most (default: the model's setting, else 20).")
  private @Nullable Integer maxNewTokens;

  @Option(names = "--do-sample", description = "Draw tokens instead of taking the likeliest.")
  private boolean doSample;

  @Option(names = "--temperature", paramLabel = "X", description = "Below 1: less random.")
  private @Nullable Double temperature;

  @Option(names = "--top-k", paramLabel = "N", description = "Draw from the N likeliest tokens.")
  private @Nullable Integer topK;

  @Option(
      names = "--top-p",
      paramLabel = "P",
      description = "Draw from the likeliest tokens with this probability together.")
  private @Nullable Double topP;

  @Option(
      names = "--repetition-penalty",
      paramLabel = "X",
      description = "Above 1: tokens that were there already become less likely.")
  private @Nullable Double repetitionPenalty;

  @Option(names = "--seed", paramLabel = "N", description = "Makes the drawing repeatable.")
  private @Nullable Long seed;

  @Override
  public Integer call() {
    if (!doSample && (temperature != null || topK != null || topP != null)) {
      throw new CommandFailure(
          ExitCode.USAGE,
          "--temperature, --top-k and --top-p change how tokens are drawn: add --do-sample.");
    }
    Path base = models.baseFolder();
    String text = promptText();
    common.apply();
    if (seed != null) {
      Randomness.manualSeed(seed);
    }
    try (Tokenizer tokenizer = CommandFailure.data(() -> AutoTokenizer.fromPretrained(base));
        Subject subject = Subject.load(models)) {
      return generate(subject, tokenizer, text);
    }
  }

  private int generate(Subject subject, Tokenizer tokenizer, String text) {
    TokenBatch batch = TokenBatch.of(new long[][] {tokenizer.encodeIds(text)});
    GenerationConfig.Builder checked = subject.model().generationConfig().toBuilder();
    CommandFailure.usage(
        () -> {
          settings(checked);
          return checked.build();
        });
    PrintWriter out = spec.commandLine().getOut();
    AtomicBoolean cancelled = new AtomicBoolean();
    try (Cancellation cancellation = new Cancellation(() -> cancelled.set(true))) {
      TextStream stream = new TextStream(tokenizer, batch.inputIds()[0], !noEcho, out);
      CommandFailure.usage(
          () ->
              subject
                  .model()
                  .generate(
                      batch,
                      this::settings,
                      TokenListener.streaming(stream::add)
                          .and(TokenListener.cancelledBy(cancelled::get))));
      stream.finish();
    }
    return cancelled.get() ? ExitCode.CANCELLED : ExitCode.OK;
  }

  private void settings(GenerationConfig.Builder builder) {
    builder.doSample(doSample);
    if (maxNewTokens != null) {
      builder.maxNewTokens(maxNewTokens);
    }
    if (temperature != null) {
      builder.temperature(temperature);
    }
    if (topK != null) {
      builder.topK(topK);
    }
    if (topP != null) {
      builder.topP(topP);
    }
    if (repetitionPenalty != null) {
      builder.repetitionPenalty(repetitionPenalty);
    }
    if (seed != null) {
      builder.seed(seed);
    }
  }

  private String promptText() {
    if (prompt.text != null) {
      return prompt.text;
    }
    Path file = Inputs.file("prompt file", prompt.file == null ? Path.of("") : prompt.file);
    try {
      // The end of the last line is not part of what is to be continued.
      return Files.readString(file, StandardCharsets.UTF_8).replaceFirst("\\R$", "");
    } catch (CharacterCodingException e) {
      throw new CommandFailure(
          ExitCode.BAD_DATA,
          "The prompt file " + file + " is not valid UTF-8. Convert it with iconv -t UTF-8.",
          e);
    } catch (IOException e) {
      throw new CommandFailure(
          ExitCode.NO_INPUT, "The prompt file " + file + " cannot be read. Give a file.", e);
    }
  }
}
