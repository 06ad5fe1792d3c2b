package org.peftjava.it;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.runtime.NativeRuntime;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.training.Dataset;
import org.peftjava.transformers.training.Example;
import org.peftjava.transformers.training.SaveStrategy;
import org.peftjava.transformers.training.Trainer;
import org.peftjava.transformers.training.TrainerCallback;
import org.peftjava.transformers.training.TrainingArguments;
import org.peftjava.transformers.training.TrainingProgress;

/**
 * Trains LoRA with dropout on a tiny OPT for 2,000 steps and prints, every 100 steps, live tensors
 * and resident bytes. With the argument "failing", every 100th step fails, in three ways.
 */
public final class SoakRun {
  static final int STEPS = 2_000;
  static final int PERIOD = 100;

  /** Thrown in the middle of a step. */
  static final class OnPurpose extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  private SoakRun() {}

  public static void main(String[] arguments) {
    NativeRuntime.setThreads(1); // the tensors are too small to share
    try (CausalLM base =
            TinyOpt.model(
                TinyOpt.config().hiddenSize(32).ffnDim(64).dropout(0.1).attentionDropout(0.1));
        PeftModelForCausalLM model =
            Peft.getPeftModel(
                base,
                LoraConfig.builder()
                    .r(4)
                    .loraAlpha(10)
                    .loraDropout(0.1)
                    .targetModules("q_proj", "v_proj")
                    .build())) {
      if (arguments.length > 0 && arguments[0].equals("failing")) {
        failing(model);
      } else {
        steady(model);
      }
    }
    System.out.println("end " + TensorLedger.liveTensors());
  }

  private static void steady(PeftModelForCausalLM model) {
    trainer(
            model,
            STEPS,
            progress -> {
              if (progress.state().globalStep() % PERIOD == 0) {
                report(progress.state().globalStep());
              }
            })
        .train();
  }

  /** Runs of 100 steps that end in a failure, then one failure of each kind in the first step. */
  private static void failing(PeftModelForCausalLM model) {
    for (int done = PERIOD; done <= STEPS; done += PERIOD) {
      FailingModel failing = new FailingModel(model);
      for (FailingModel.Place place : FailingModel.Place.values()) {
        failing.failAt(place, place == FailingModel.Place.FORWARD ? PERIOD : 1);
        expectFailure(trainer(failing, STEPS, progress -> {}));
      }
      AtomicInteger steps = new AtomicInteger();
      expectFailure(
          trainer(
              model,
              STEPS,
              progress -> {
                if (steps.incrementAndGet() == 1) {
                  throw new OnPurpose();
                }
              }));
      report(done);
    }
  }

  private static void expectFailure(Trainer trainer) {
    try {
      trainer.train();
    } catch (OnPurpose expected) {
      return;
    }
    throw new IllegalStateException("the step did not fail");
  }

  private interface AfterStep {
    void run(TrainingProgress progress);
  }

  private static Trainer trainer(CausalLanguageModel model, int steps, AfterStep afterStep) {
    List<Example> examples = new ArrayList<>();
    for (int i = 0; i < 64; i++) {
      long[] ids = new long[TinyOpt.POSITIONS];
      for (int t = 0; t < ids.length; t++) {
        ids[t] = 4 + (i + 3L * t) % (TinyOpt.VOCABULARY - 4);
      }
      examples.add(Example.of(ids));
    }
    return Trainer.builder()
        .model(model)
        .args(
            TrainingArguments.builder()
                .maxSteps(steps)
                .learningRate(1e-3)
                .perDeviceTrainBatchSize(8)
                .loggingSteps(PERIOD)
                .saveStrategy(SaveStrategy.NO)
                .build())
        .trainDataset(Dataset.of(examples))
        .callbacks(
            new TrainerCallback() {
              @Override
              public void onStepEnd(TrainingProgress progress) {
                afterStep.run(progress);
              }
            })
        .build();
  }

  private static void report(int step) {
    for (int i = 0; i < 2; i++) {
      System.gc();
      try {
        Thread.sleep(10); // for the thread that frees native memory
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }
    System.out.println(
        step + " " + TensorLedger.liveTensors() + " " + NativeRuntime.residentBytes());
  }
}
