package org.peftjava.peft.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.lora.LoraInit;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.DType;
import org.peftjava.transformers.training.IntervalStrategy;
import org.peftjava.transformers.training.OptimizerNames;
import org.peftjava.transformers.training.SaveStrategy;
import org.peftjava.transformers.training.SchedulerType;
import org.peftjava.transformers.training.TrainingArguments;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Options become the values of the same name. */
class OptionsTest {
  @Command
  static final class Holder {
    @Mixin LoraOptions lora = new LoraOptions();
    @Mixin TrainingOptions training = new TrainingOptions();
    @Mixin QuantizationOptions quantization = new QuantizationOptions();
  }

  private static Holder parse(String... args) {
    Holder holder = new Holder();
    new CommandLine(holder).setCaseInsensitiveEnumValuesAllowed(true).parseArgs(args);
    return holder;
  }

  @Test
  void withoutOptionsTheAdapterHasPythonsDefaults() {
    LoraConfig expected = LoraConfig.builder().taskType(TaskType.CAUSAL_LM).build();
    assertEquals(expected.fields(), parse().lora.toConfig().fields());
  }

  @Test
  void adapterOptions() {
    LoraConfig expected =
        LoraConfig.builder()
            .taskType(TaskType.CAUSAL_LM)
            .r(16)
            .loraAlpha(24.0)
            .loraDropout(0.05)
            .targetModules("q_proj", "fc1")
            .excludeModules("layers.0.fc1")
            .modulesToSave("lm_head")
            .useRslora(true)
            .bias(LoraConfig.Bias.LORA_ONLY)
            .initLoraWeights(new LoraInit.Gaussian())
            .build();
    LoraConfig parsed =
        parse(
                "--lora-r=16",
                "--lora-alpha=24",
                "--lora-dropout=0.05",
                "--target-modules",
                "q_proj,fc1",
                "--exclude-modules=layers.0.fc1",
                "--modules-to-save=lm_head",
                "--use-rslora",
                "--bias=lora_only",
                "--init-lora-weights=gaussian")
            .lora
            .toConfig();
    assertEquals(expected.fields(), parsed.fields());
  }

  @ParameterizedTest
  @ValueSource(strings = {"eva", "corda", "lora_ga"})
  void startsThatNeedDataAreLeftToPrograms(String name) {
    LoraOptions options = parse("--init-lora-weights=" + name).lora;
    String message = assertThrows(IllegalArgumentException.class, options::toConfig).getMessage();
    assertTrue(message.contains(name + " needs data before the adapter is made"), message);
  }

  @Test
  void targetsAreNamesAPatternOrAllLinear() {
    assertEquals(TargetModules.allLinear(), targets("all-linear"));
    assertEquals(TargetModules.names("fc1"), targets("fc1"));
    assertEquals(TargetModules.regex(".*\\.[qv]_proj"), targets(".*\\.[qv]_proj"));
  }

  private static TargetModules targets(String text) {
    LoraConfig config = parse("--target-modules", text).lora.toConfig();
    return TargetModules.ofField(config.fields(), "target_modules");
  }

  @Test
  void trainingOptions() {
    TrainingArguments expected =
        TrainingArguments.builder()
            .outputDir(Path.of("out"))
            .learningRate(3e-3)
            .perDeviceTrainBatchSize(4)
            .perDeviceEvalBatchSize(5)
            .gradientAccumulationSteps(2)
            .numTrainEpochs(1.5)
            .maxSteps(70)
            .lrSchedulerType(SchedulerType.COSINE_WITH_MIN_LR)
            .lrSchedulerKwargs(Map.of("min_lr", "1e-5", "num_cycles", "1"))
            .warmupSteps(7)
            .weightDecay(0.01)
            .maxGradNorm(0.5)
            .adamBeta1(0.8)
            .adamBeta2(0.95)
            .adamEpsilon(1e-6)
            .optim(OptimizerNames.RMSPROP)
            .optimArgs("momentum=0.9")
            .labelSmoothingFactor(0.1)
            .neftuneNoiseAlpha(5)
            .loggingSteps(3)
            .loggingFirstStep(true)
            .evalStrategy(IntervalStrategy.STEPS)
            .evalSteps(20)
            .saveSteps(30)
            .saveTotalLimit(1)
            .seed(11)
            .bf16(true)
            .gradientCheckpointing(true)
            .resumeFromCheckpoint(Path.of("old"))
            .build();
    List<String> args =
        List.of(
            "--learning-rate=3e-3",
            "--per-device-train-batch-size=4",
            "--per-device-eval-batch-size=5",
            "--gradient-accumulation-steps=2",
            "--num-train-epochs=1.5",
            "--max-steps=70",
            "--lr-scheduler-type=cosine_with_min_lr",
            "--lr-scheduler-kwargs=min_lr=1e-5",
            "--lr-scheduler-kwargs=num_cycles=1",
            "--warmup-steps=7",
            "--weight-decay=0.01",
            "--max-grad-norm=0.5",
            "--adam-beta1=0.8",
            "--adam-beta2=0.95",
            "--adam-epsilon=1e-6",
            "--optim=rmsprop",
            "--optim-args=momentum=0.9",
            "--label-smoothing-factor=0.1",
            "--neftune-noise-alpha=5",
            "--logging-steps=3",
            "--eval-steps=20",
            "--save-steps=30",
            "--save-total-limit=1",
            "--seed=11",
            "--bf16",
            "--gradient-checkpointing",
            "--resume=old");
    TrainingOptions parsed = parse(args.toArray(String[]::new)).training;
    assertEquals(expected, parsed.toArguments(Path.of("out"), true));
  }

  @Test
  void fourBitOptions() {
    BitsAndBytesConfig expected =
        BitsAndBytesConfig.builder()
            .loadIn4bit(true)
            .bnb4bitQuantType(QuantType.NF4)
            .bnb4bitUseDoubleQuant(true)
            .bnb4bitComputeDtype(DType.BFLOAT16)
            .bnb4bitQuantStorage(DType.FLOAT16)
            .llmInt8SkipModules("lm_head", "fc2")
            .build();
    BitsAndBytesConfig parsed =
        parse(
                "--load-in-4bit",
                "--bnb-4bit-quant-type=nf4",
                "--bnb-4bit-use-double-quant",
                "--bnb-4bit-compute-dtype=bf16",
                "--bnb-4bit-quant-storage=float16",
                "--llm-int8-skip-modules=lm_head,fc2")
            .quantization
            .toConfig()
            .orElseThrow();
    assertEquals(expected, parsed);
  }

  @Test
  void eightBitOptionsAndDefaults() {
    assertEquals(
        Optional.of(BitsAndBytesConfig.builder().loadIn8bit(true).llmInt8Threshold(4.5).build()),
        parse("--load-in-8bit", "--llm-int8-threshold=4.5").quantization.toConfig());
    assertEquals(
        Optional.of(BitsAndBytesConfig.builder().loadIn4bit(true).build()),
        parse("--load-in-4bit").quantization.toConfig());
    assertEquals(Optional.empty(), parse().quantization.toConfig());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--load-in-4bit --load-in-8bit | exclude each other",
        "--bnb-4bit-quant-type=nf4 | --bnb-4bit-quant-type is about quantized weights: give"
            + " --load-in-4bit",
        "--load-in-8bit --bnb-4bit-use-double-quant | give --load-in-4bit",
        "--load-in-8bit --bnb-4bit-compute-dtype=bf16 | give --load-in-4bit",
        "--bnb-4bit-quant-storage=uint8 | give --load-in-4bit",
        "--load-in-4bit --llm-int8-threshold=3 | give --load-in-8bit",
        "--llm-int8-skip-modules=a | give --load-in-4bit or --load-in-8bit",
        "--load-in-4bit --bnb-4bit-compute-dtype=int8 | bnb_4bit_compute_dtype is int8",
        "--load-in-4bit --bnb-4bit-quant-storage=int64 | bnb_4bit_quant_storage is int64",
        "--load-in-8bit --llm-int8-threshold=-1 | llm_int8_threshold is -1",
        "--load-in-4bit --bnb-4bit-compute-dtype=nf4 | Unknown dtype 'nf4'"
      })
  void quantizationOptionsThatDoNotFitTogether(String args, String message) {
    QuantizationOptions options = parse(args.split(" ", -1)).quantization;
    IllegalArgumentException error =
        assertThrows(IllegalArgumentException.class, options::toConfig);
    assertTrue(String.valueOf(error.getMessage()).contains(message), error.getMessage());
  }

  @Test
  void resumeWithoutAFolderTakesTheNewestAndNoSavingIsZeroSteps() {
    TrainingArguments args =
        parse("--resume", "--save-steps=0").training.toArguments(Path.of("out"), false);
    assertEquals(Path.of("out"), args.resumeFromCheckpoint().orElseThrow());
    assertEquals(SaveStrategy.NO, args.saveStrategy());
  }
}
