package org.peftjava.peft.cli;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.Randomness;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.tokenizer.Tokenizer;
import org.peftjava.transformers.training.Dataset;
import org.peftjava.transformers.training.SaveStrategy;
import org.peftjava.transformers.training.Trainer;
import org.peftjava.transformers.training.TrainingArguments;
import picocli.CommandLine;

/** The steps of the demonstration. */
final class Demo {
  private static final int BATCH = 32;
  private static final int NEW_TOKENS = 32;
  private static final long SEED = 42;

  /** Reloaded weights are the same bits; only the order of a sum over threads may differ. */
  private static final double SAME_LOSS = 1e-4;

  private final CommandLine line;
  private final PrintWriter out;
  private final DemoFiles files;
  private final int steps;

  Demo(CommandLine line, DemoFiles files, int steps) {
    this.line = line;
    out = line.getOut();
    this.files = files;
    this.steps = steps;
  }

  int run() {
    Randomness.manualSeed(SEED);
    CommandFailure.usage(this::arguments);
    try (Tokenizer tokenizer =
        CommandFailure.data(() -> AutoTokenizer.fromPretrained(files.base()))) {
      Dataset trainData = Dataset.fromFile(files.train(), tokenizer, options -> {});
      Dataset evalData = Dataset.fromFile(files.eval(), tokenizer, options -> {});
      out.printf(
          Locale.ROOT,
          "%d proverbs to learn, %d to evaluate on; base model: %s%n",
          trainData.size(),
          evalData.size(),
          files.base());
      return fineTune(tokenizer, trainData, evalData);
    }
  }

  private int fineTune(Tokenizer tokenizer, Dataset trainData, Dataset evalData) {
    List<List<String>> columns = new ArrayList<>();
    RunResult result;
    RunReport report;
    try (CausalLM base = loadBase()) {
      columns.add(continuations(base, tokenizer));
      try (ProgressDisplay display = ProgressDisplay.on(line.getErr());
          PeftModelForCausalLM adapted = Peft.getPeftModel(base, lora())) {
        TrainingRun run =
            new TrainingRun(
                out,
                display.callback(),
                adapted,
                arguments(),
                tokenizer,
                trainData,
                Optional.of(evalData));
        report = run.report(List.of("demo"));
        try (Cancellation cancellation = new Cancellation(run::cancel)) {
          result = run.run();
          if (result.output().cancelled()) {
            return RunFiles.finish(out, result, report, files.adapter());
          }
        }
      }
    }
    RunFiles.finish(out, result, report, files.adapter());
    Map<String, Double> after = result.evalAfter().orElseThrow();
    reload(tokenizer, evalData, Metrics.get(after, "eval_loss"), columns);
    new SideBySide(List.of("prompt", "base", "adapted", "merged"))
        .print(out, prompts(), columns.get(0), columns.get(1), columns.get(2));
    printNext();
    return ExitCode.OK;
  }

  /** Loads what was saved into a fresh base model, which must behave the same; then merges it. */
  private void reload(
      Tokenizer tokenizer, Dataset evalData, double expected, List<List<String>> columns) {
    try (CausalLM base = loadBase();
        PeftModelForCausalLM adapted =
            PeftModel.fromPretrained(base, files.adapter(), options -> {})) {
      check("reloaded adapter", expected, evalLoss(adapted, tokenizer, evalData));
      columns.add(continuations(adapted, tokenizer));
      adapted.mergeAndUnload(options -> options.safeMerge(true));
      check("merged model", expected, evalLoss(base, tokenizer, evalData));
      columns.add(continuations(base, tokenizer));
      base.savePretrained(files.merged());
      tokenizer.savePretrained(files.merged());
    }
  }

  /**
   * The shipped weights are bfloat16; training and merging are exact to the last place in float32.
   */
  private CausalLM loadBase() {
    return CommandFailure.data(
        () -> AutoModelForCausalLM.fromPretrained(files.base(), o -> o.dtype(DType.FLOAT32)));
  }

  private void check(String what, double expected, double found) {
    if (!(Math.abs(found - expected) < SAME_LOSS)) {
      throw new CommandFailure(
          ExitCode.FAILURE,
          "The "
              + what
              + " has eval loss "
              + found
              + ", expected "
              + expected
              + " as after training. Please report this with the output of peft info.");
    }
    out.printf(Locale.ROOT, "%s: eval loss %.4f, the same%n", what, found);
    out.flush();
  }

  private double evalLoss(CausalLanguageModel model, Tokenizer tokenizer, Dataset evalData) {
    Trainer trainer = Trainer.builder().model(model).args(arguments()).tokenizer(tokenizer).build();
    return Metrics.get(trainer.evaluate(evalData), "eval_loss");
  }

  /** Greedy continuations, so that equal models give equal texts. */
  private List<String> continuations(CausalLanguageModel model, Tokenizer tokenizer) {
    model.module().eval();
    List<String> texts = new ArrayList<>();
    for (String prompt : prompts()) {
      TokenBatch batch = TokenBatch.of(new long[][] {tokenizer.encodeIds(prompt)});
      long[] ids = model.generate(batch, g -> g.maxNewTokens(NEW_TOKENS).doSample(false)).get(0);
      texts.add(tokenizer.decode(ids, true));
    }
    return texts;
  }

  private List<String> prompts() {
    return files.prompts();
  }

  private static LoraConfig lora() {
    return LoraConfig.builder()
        .r(16)
        .loraAlpha(32)
        .loraDropout(0.05)
        .targetModules("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
        .taskType(TaskType.CAUSAL_LM)
        .build();
  }

  private TrainingArguments arguments() {
    return TrainingArguments.builder()
        .outputDir(files.adapter())
        .learningRate(3e-3)
        .weightDecay(0.01)
        .warmupSteps(10)
        .perDeviceTrainBatchSize(BATCH)
        .perDeviceEvalBatchSize(BATCH)
        .maxSteps(steps)
        .loggingSteps(10)
        .loggingFirstStep(true)
        .saveStrategy(SaveStrategy.NO)
        .seed(SEED)
        .build();
  }

  private void printNext() {
    out.println();
    out.println("adapter       " + files.adapter() + " (training.json, loss.png beside it)");
    out.println("merged model  " + files.merged());
    out.println();
    out.println("Try next:");
    String adapter = " --adapter " + files.adapter();
    out.println("  peft generate" + adapter + " --prompt \"A wise man\" --do-sample --seed 1");
    out.println("  peft info " + files.adapter());
    out.println("  peft merge" + adapter + " --output my-model");
    out.println(
        "  peft train --model " + files.base() + " --data my-texts.txt --output my-adapter");
  }
}
