package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.tokenizer.Tokenizer;
import org.peftjava.transformers.training.Dataset;
import org.peftjava.transformers.training.Example;
import org.peftjava.transformers.training.SaveStrategy;
import org.peftjava.transformers.training.Trainer;
import org.peftjava.transformers.training.TrainingArguments;

/** Inputs that cannot be right, given to a sound model: what is refused, and in which words. */
@ExtendWith(NoLeaks.class)
class BadInputIT {
  private static final int PAST_END = TinyOpt.VOCABULARY;
  private static final int TOO_LONG = TinyOpt.POSITIONS + 1;

  @TempDir private Path folder;
  private TensorScope scope;
  private CausalLM base;
  private PeftModelForCausalLM model;

  @BeforeEach
  void open() {
    scope = TensorScope.open("test");
    base = TinyOpt.model(TinyOpt.config());
    model =
        Peft.getPeftModel(
            base, LoraConfig.builder().r(4).loraAlpha(10).targetModules("q_proj").build());
  }

  @AfterEach
  void theModelStillWorks() {
    long[][] ids = {{2, 3, 4}};
    assertEquals(120, model.forward(TokenBatch.of(ids)).logits().orElseThrow().numel());
    model.close();
    base.close();
    scope.close();
  }

  private void refused(Runnable work, String... facts) {
    Refusal.of(folder, () -> inScope(work), facts);
  }

  private static void inScope(Runnable work) {
    try (TensorScope inner = TensorScope.openGraph("refused")) {
      work.run();
    }
  }

  private static TokenBatch batch(long... ids) {
    return TokenBatch.of(new long[][] {ids});
  }

  @Test
  void tokensOutsideTheVocabulary() {
    for (long token : new long[] {PAST_END, Long.MAX_VALUE, -1}) {
      String shown = Long.toString(token);
      refused(() -> model.forward(batch(2, token)), shown, "vocabulary", "0 to 39");
      refused(() -> model.generate(batch(2, token), g -> g.maxNewTokens(2)), shown, "0 to 39");
      refused(() -> train(Example.of(2, 3, token), b -> {}), "token " + shown, "vocabulary of 40");
    }
    long[][] labels = {{2, PAST_END}};
    refused(() -> model.forward(batch(2, 3).withLabels(labels)).loss(), "Label 40", "0 to 39");
    long[][] negative = {{2, -5}};
    refused(
        () -> model.forward(batch(2, 3).withLabels(negative)).loss(),
        "Label -5",
        "0 to 39",
        "-100");
  }

  @Test
  void sequencesBeyondThePositions() {
    refused(
        () -> model.forward(batch(new long[TOO_LONG])),
        "33 tokens",
        "positions for 32",
        "Truncate");
    refused(
        () -> model.generate(batch(new long[TOO_LONG]), g -> g.maxNewTokens(1)),
        "33",
        "positions for 32");
    refused(
        () -> model.generate(batch(new long[30]), g -> g.maxNewTokens(9).eosTokenId()),
        "30",
        "32",
        "9");
    refused(() -> train(Example.of(new long[TOO_LONG]), b -> {}), "33 tokens", "32");
    refused(() -> model.forward(batch()), "[1, 0]", "at least one token");
    refused(() -> model.forward(TokenBatch.of(new long[0][])), "0");
  }

  @Test
  void targetsThatMatchNothing() {
    for (LoraConfig config :
        List.of(
            LoraConfig.builder().targetModules("query_proj").build(),
            LoraConfig.builder().targetModules(TargetModules.regex(".*\\.query_proj")).build())) {
      refused(() -> model.addAdapter("other", config), "query_proj", "q_proj");
    }
    refused(
        () -> model.addAdapter("default", LoraConfig.builder().targetModules("q_proj").build()),
        "default",
        "already");
    refused(() -> model.setAdapter("nobody"), "nobody", "default");
    refused(() -> model.deleteAdapter("nobody"), "nobody", "default");
    assertEquals(List.of("default"), List.copyOf(model.peftConfig().keySet()));
  }

  @Test
  void dataThatIsNotText() {
    Path lines = folder.resolve("data.txt");
    Refusal.write(lines, new byte[] {'o', 'n', 'e', '\n', (byte) 0xC3, 0x28, '\n'});
    Path json = folder.resolve("data.jsonl");
    Refusal.write(json, "{\"text\": \"a\"}\n{\"prompt\": 3}\n".getBytes(StandardCharsets.UTF_8));
    Path broken = folder.resolve("broken.jsonl");
    Refusal.write(broken, "{\"text\": \"a\"\n".getBytes(StandardCharsets.UTF_8));
    try (Tokenizer tokenizer =
        AutoTokenizer.fromPretrained(Golden.ROOT.resolve("tokenizer/fast"))) {
      refused(() -> Dataset.fromFile(lines, tokenizer, o -> {}), "data.txt", "line 2", "UTF-8");
      refused(() -> Dataset.fromFile(json, tokenizer, o -> {}), "data.jsonl", "line 2");
      refused(() -> Dataset.fromFile(broken, tokenizer, o -> {}), "broken.jsonl", "line 1", "JSON");
      refused(() -> Dataset.fromFile(folder.resolve("none.txt"), tokenizer, o -> {}), "none.txt");
    }
    Path tokenizer = folder.resolve("tokenizer.json");
    Refusal.write(tokenizer, new byte[] {'{', '"', (byte) 0xFF, '"', '}'});
    refused(() -> AutoTokenizer.fromPretrained(folder), "tokenizer.json");
  }

  /** A file where a folder should be, which also stands for a folder without permission. */
  @Test
  void outputThatCannotBeWritten() {
    Path file = folder.resolve("taken");
    Refusal.write(file, new byte[] {1, 2, 3});
    refused(() -> model.savePretrained(file), "Cannot", "taken", "file");
    refused(() -> model.savePretrained(file.resolve("below")), "Cannot", "taken");
    refused(() -> base.savePretrained(file), "Cannot", "taken", "file");
    refused(
        () -> train(Example.of(2, 3, 4), b -> b.outputDir(file)), "outputDir", "taken", "a file");
  }

  private void train(Example example, Consumer<TrainingArguments.Builder> changes) {
    TrainingArguments.Builder args =
        TrainingArguments.builder()
            .outputDir(folder.resolve("out"))
            .maxSteps(1)
            .saveStrategy(SaveStrategy.STEPS);
    changes.accept(args);
    Trainer trainer =
        Trainer.builder()
            .model(model)
            .args(args.build())
            .trainDataset(Dataset.of(List.of(example)))
            .build();
    try {
      trainer.train();
    } finally {
      assertEquals(0, trainer.state().globalStep(), "refused too late");
    }
  }
}
