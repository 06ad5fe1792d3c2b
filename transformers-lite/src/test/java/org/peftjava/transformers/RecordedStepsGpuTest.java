package org.peftjava.transformers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.peftjava.torch.CardTensors;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.StepRecorders;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.cuda.StepRecorder;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.generation.DecoderSession;
import org.peftjava.transformers.model.gemma2.Gemma2Config;
import org.peftjava.transformers.model.llama.LlamaConfig;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Steps that a card records and repeats have the logits of steps that the host starts. */
@Tag("gpu")
class RecordedStepsGpuTest {
  private static final Device CARD = Device.cuda(0);
  private static final int STEPS = 40;
  private static final long[][] PROMPTS = {{3, 5, 6, 17, 8}, {0, 0, 3, 9, 23}};
  private static final long[][] PADDING = {{1, 1, 1, 1, 1}, {0, 0, 1, 1, 1}};

  /**
   * The card's recorder, which tells what went wrong: elsewhere that is only a slower generation.
   */
  private static final class Watching implements StepRecorder {
    private final StepRecorder card = StepRecorders.on(CARD).orElseThrow();
    private final List<RuntimeException> failures = new ArrayList<>();
    private int replays;

    @Override
    public void rehearse(Runnable work) {
      watched(
          () -> {
            card.rehearse(work);
            return work;
          });
    }

    @Override
    public Recording record(Runnable work) {
      Recording recording = watched(() -> card.record(work));
      return new Recording() {
        @Override
        public <T> T replay(Supplier<T> result) {
          replays++;
          return watched(() -> recording.replay(result));
        }

        @Override
        public void close() {
          recording.close();
        }
      };
    }

    private <T> T watched(Supplier<T> what) {
      try {
        return what.get();
      } catch (RuntimeException e) {
        e.printStackTrace();
        failures.add(e);
        throw e;
      }
    }
  }

  /** What refuses, so that the host starts each operator. */
  private static final class Refusing implements StepRecorder {
    @Override
    public void rehearse(Runnable work) {
      throw new UnsupportedOperationException("no recordings");
    }

    @Override
    public Recording record(Runnable work) {
      throw new UnsupportedOperationException("no recordings");
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"FLOAT32", "FLOAT16", "BFLOAT16"})
  void llama(DType type) {
    check(
        LlamaConfig.builder()
            .vocabSize(64)
            .hiddenSize(128)
            .intermediateSize(192)
            .numHiddenLayers(3)
            .numAttentionHeads(8)
            .numKeyValueHeads(2)
            .maxPositionEmbeddings(128)
            .initializerRange(0.15)
            .ropeParameters(Map.of("rope_type", "linear", "factor", 2.0))
            .build(),
        type);
  }

  @ParameterizedTest
  @CsvSource({"FLOAT32", "BFLOAT16"})
  void gemma2(DType type) {
    check(
        Gemma2Config.builder()
            .vocabSize(64)
            .hiddenSize(64)
            .intermediateSize(96)
            .numHiddenLayers(4)
            .numAttentionHeads(4)
            .numKeyValueHeads(2)
            .headDim(32)
            .slidingWindow(9)
            .maxPositionEmbeddings(128)
            .initializerRange(0.2)
            .build(),
        type);
  }

  private static void check(PretrainedConfig config, DType type) {
    Randomness.manualSeed(7);
    try (CausalLM model = AutoModelForCausalLM.fromConfig(config, type)) {
      model.to(CARD);
      model.eval();
      for (boolean padded : new boolean[] {false, true}) {
        List<float[]> expected;
        try (CardTensors.Closing standIn = StepRecorders.standIn(CARD, new Refusing())) {
          expected = logits(model, padded);
        }
        Watching watching = new Watching();
        List<float[]> actual;
        try (CardTensors.Closing standIn = StepRecorders.standIn(CARD, watching)) {
          actual = logits(model, padded);
        }
        assertEquals(List.of(), watching.failures);
        // the cache grows from 16 to 32 and 64 tokens, and each time a step starts it and one is
        // rehearsed
        assertTrue(watching.replays > STEPS - 10, () -> watching.replays + " replays");
        double epsilon = type == DType.FLOAT32 ? 1e-4 : type == DType.FLOAT16 ? 2e-2 : 0.1;
        for (int step = 0; step < STEPS; step++) {
          close(expected.get(step), actual.get(step), epsilon, step + " of " + type + " " + padded);
        }
      }
    }
  }

  /** The tokens are given, so that a rounding does not lead elsewhere. */
  private static List<float[]> logits(CausalLM model, boolean padded) {
    List<float[]> result = new ArrayList<>();
    TokenBatch batch = TokenBatch.of(PROMPTS);
    try (TensorScope scope = TensorScope.open("steps");
        GradMode off = GradMode.noGrad();
        DecoderSession session = model.decoderModel().begin(batch, 16, true)) {
      long[][] whole = new long[2][PROMPTS[0].length + STEPS];
      for (int row = 0; row < 2; row++) {
        for (int i = 0; i < whole[row].length; i++) {
          whole[row][i] = padded && i < PADDING[row].length ? PADDING[row][i] : 1;
        }
      }
      Tensor mask = Creation.ofLongs(whole).to(CARD);
      session.logits(Creation.ofLongs(PROMPTS).to(CARD), padded ? mask.narrow(1, 0, 5) : null);
      for (int step = 0; step < STEPS; step++) {
        try (TensorScope one = TensorScope.open("step")) {
          long[][] tokens = {{3 + step * 7 % 60}, {3 + step * 11 % 60}};
          session.reach(session.length() + 1);
          Tensor seen = padded ? mask.narrow(1, 0, 6 + step) : null;
          result.add(
              session.logits(Creation.ofLongs(tokens).to(CARD), seen).to(DType.FLOAT32).toFloats());
        }
      }
    }
    return result;
  }

  private static void close(float[] expected, float[] actual, double epsilon, String what) {
    double scale = 0;
    double error = 0;
    for (int i = 0; i < expected.length; i++) {
      scale = Math.max(scale, Math.abs(expected[i]));
      error = Math.max(error, Math.abs(expected[i] - actual[i]));
    }
    String message = "step %s: %g of %g".formatted(what, error, scale);
    assertTrue(error <= epsilon * scale, message);
  }
}
