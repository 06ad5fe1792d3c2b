package org.peftjava.peft.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.Randomness;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.checkpoint.PretrainedFolder;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.Architectures;
import org.peftjava.transformers.tokenizer.Tokenizer;
import org.peftjava.transformers.training.Dataset;
import org.peftjava.transformers.training.TrainingArguments;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code peft train}: trains an adapter, or with {@code --full} all weights. */
@Command(
    name = "train",
    description = {
      "Trains a LoRA adapter for a model, or the whole model.",
      "",
      "Writes the adapter, training.json, loss.png and checkpoints to the output folder."
    })
final class TrainCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private CommonOptions common = new CommonOptions();

  @Option(names = "--model", paramLabel = "DIR", description = "The base model's folder or hub id.")
  private @Nullable Path model;

  private @Nullable Path modelFolder; // in the cache, if the model is on the hub

  @Option(
      names = "--output",
      required = true,
      paramLabel = "DIR",
      description = "Where results go.")
  private Path output = Path.of("");

  @Option(names = "--full", description = "Train all weights, without an adapter.")
  private boolean full;

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "With --full: start from random weights, with this config.json.")
  private @Nullable Path config;

  @Option(
      names = "--tokenizer",
      paramLabel = "DIR",
      description = "The tokenizer's folder (default: the model's).")
  private @Nullable Path tokenizer;

  @Mixin private ModelOptions modelOptions = new ModelOptions();

  @ArgGroup(exclusive = false, validate = false, heading = "%nData:%n")
  private DataOptions data = new DataOptions();

  @ArgGroup(exclusive = false, validate = false, heading = "%nAdapter:%n")
  private LoraOptions lora = new LoraOptions();

  @ArgGroup(exclusive = false, validate = false, heading = "%nTraining:%n")
  private TrainingOptions training = new TrainingOptions();

  @Override
  public Integer call() {
    modelOptions.check();
    checkCombination();
    checkInputs();
    TrainingArguments args =
        CommandFailure.usage(() -> training.toArguments(output, data.evalFile().isPresent()));
    Optional<LoraConfig> adapter =
        full ? Optional.empty() : Optional.of(CommandFailure.usage(lora::toConfig));
    Inputs.outputFolder(output);
    common.apply();
    Randomness.manualSeed(training.seed());
    try (Tokenizer tokens = openTokenizer();
        CausalLM base = openModel()) {
      checkTrainable(base);
      Dataset trainData = data.train(tokens, base.config());
      Optional<Dataset> evalData = data.eval(tokens, base.config());
      return adapter.isPresent()
          ? trainAdapter(base, adapter.get(), args, tokens, trainData, evalData)
          : run(base, args, tokens, trainData, evalData);
    }
  }

  private int trainAdapter(
      CausalLM base,
      LoraConfig adapter,
      TrainingArguments args,
      Tokenizer tokens,
      Dataset trainData,
      Optional<Dataset> evalData) {
    if (isQuantized(base)) {
      Peft.prepareModelForKbitTraining(
          base,
          options ->
              options
                  .useGradientCheckpointing(args.gradientCheckpointing())
                  .castToFloat32(!args.bf16()));
    }
    try (PeftModelForCausalLM adapted =
        CommandFailure.usage(() -> Peft.getPeftModel(base, adapter))) {
      return run(adapted, args, tokens, trainData, evalData);
    }
  }

  private int run(
      CausalLanguageModel subject,
      TrainingArguments args,
      Tokenizer tokens,
      Dataset trainData,
      Optional<Dataset> evalData) {
    PrintWriter out = spec.commandLine().getOut();
    try (ProgressDisplay display = ProgressDisplay.on(spec.commandLine().getErr())) {
      TrainingRun run =
          new TrainingRun(out, display.callback(), subject, args, tokens, trainData, evalData);
      try (Cancellation cancellation = new Cancellation(run::cancel)) {
        RunReport report =
            run.report(spec.commandLine().getParent().getParseResult().originalArgs());
        return RunFiles.finish(out, run.run(), report, args.outputDir());
      }
    }
  }

  private void checkCombination() {
    if ((model == null) == (config == null)) {
      throw usage("Give either --model, or --config with --full to start from random weights.");
    }
    if (config != null && modelOptions.isQuantizing()) {
      throw usage("--config starts a new model, which is not quantized: give --model to load one.");
    }
    if (config != null && (!full || tokenizer == null)) {
      throw usage("--config starts a new model: give --full and --tokenizer, too.");
    }
    if (full && lora.isGiven()) {
      throw usage("--full trains all weights: leave out the options of the adapter, or --full.");
    }
  }

  /** Quantized weights are not trained, whether options or the folder's config quantize them. */
  private void checkTrainable(CausalLM base) {
    if (full && isQuantized(base)) {
      throw usage(
          "--full trains all weights, but the model's are quantized. Leave out --load-in-4bit and"
              + " --load-in-8bit, take a model that is not quantized, or train an adapter, without"
              + " --full.");
    }
  }

  private static boolean isQuantized(CausalLM model) {
    return model.isLoadedIn4bit() || model.isLoadedIn8bit();
  }

  private void checkInputs() {
    if (model != null) {
      modelFolder = Inputs.pretrained("model", model, Inputs.MODEL);
    }
    if (config != null) {
      Inputs.file("config", config);
    }
    if (tokenizer != null) {
      tokenizer = Inputs.pretrained("tokenizer", tokenizer, PretrainedFolder.TOKENIZER);
    }
    data.check();
    training.check(output);
  }

  private Tokenizer openTokenizer() {
    Path folder = tokenizer == null ? modelFolder : tokenizer;
    if (folder == null) {
      throw usage("Give --tokenizer, the folder of the tokenizer.");
    }
    return CommandFailure.data(() -> AutoTokenizer.fromPretrained(folder));
  }

  private CausalLM openModel() {
    if (model != null) {
      return modelOptions.load(model);
    }
    Path file = config;
    if (file == null) {
      throw usage("Give --model or --config.");
    }
    ConfigJson json = ConfigJson.read(file);
    CausalLM fresh =
        CommandFailure.data(
            () ->
                AutoModelForCausalLM.fromConfig(
                    Architectures.get(json.getString("model_type")).config(json),
                    modelOptions.dtypeOr(DType.FLOAT32)));
    fresh.to(modelOptions.device());
    return fresh;
  }

  private static CommandFailure usage(String message) {
    return new CommandFailure(ExitCode.USAGE, message);
  }
}
