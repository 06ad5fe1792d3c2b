package org.peftjava.peft.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.lora.LoraInit;
import org.peftjava.transformers.training.IntervalStrategy;
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
            .lrSchedulerType(SchedulerType.CONSTANT_WITH_WARMUP)
            .warmupSteps(7)
            .weightDecay(0.01)
            .maxGradNorm(0.5)
            .adamBeta1(0.8)
            .adamBeta2(0.95)
            .adamEpsilon(1e-6)
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
            "--lr-scheduler-type=constant_with_warmup",
            "--warmup-steps=7",
            "--weight-decay=0.01",
            "--max-grad-norm=0.5",
            "--adam-beta1=0.8",
            "--adam-beta2=0.95",
            "--adam-epsilon=1e-6",
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
  void resumeWithoutAFolderTakesTheNewestAndNoSavingIsZeroSteps() {
    TrainingArguments args =
        parse("--resume", "--save-steps=0").training.toArguments(Path.of("out"), false);
    assertEquals(Path.of("out"), args.resumeFromCheckpoint().orElseThrow());
    assertEquals(SaveStrategy.NO, args.saveStrategy());
  }
}
