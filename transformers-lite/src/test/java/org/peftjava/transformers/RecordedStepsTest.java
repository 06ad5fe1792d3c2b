package org.peftjava.transformers;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.peftjava.transformers.Goldens.assertClose;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.CardTensors;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.StepRecorders;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.cuda.CudaException;
import org.peftjava.torch.cuda.RepeatingRecorder;
import org.peftjava.torch.cuda.StepRecorder;
import org.peftjava.transformers.generation.DecoderSession;
import org.peftjava.transformers.generation.GenerateOptions;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.model.gemma2.Gemma2Config;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Generations whose steps are recorded write what others do, whatever happens between steps. */
class RecordedStepsTest {
  private static final TokenBatch PADDED =
      TokenBatch.of(
          new long[][] {{3, 5, 6, 17, 8, 29, 5, 6}, {0, 0, 3, 9, 23, 4, 11, 9}},
          new long[][] {{1, 1, 1, 1, 1, 1, 1, 1}, {0, 0, 1, 1, 1, 1, 1, 1}});
  private static final TokenBatch ONE = TokenBatch.of(new long[][] {{3, 5, 6, 17, 8, 29, 5, 6}});

  private final RepeatingRecorder recorder = new RepeatingRecorder();
  private long before;
  private CausalLM model;

  @BeforeEach
  void build() {
    before = TensorLedger.liveTensors();
    Randomness.manualSeed(3);
    // bounded scores, layers that see a window, heads that share keys
    model =
        AutoModelForCausalLM.fromConfig(
            Gemma2Config.builder()
                .vocabSize(30)
                .hiddenSize(16)
                .intermediateSize(20)
                .numHiddenLayers(2)
                .numAttentionHeads(4)
                .numKeyValueHeads(2)
                .headDim(8)
                .slidingWindow(6)
                .maxPositionEmbeddings(64)
                .initializerRange(0.5)
                .build(),
            DType.FLOAT32);
    model.eval();
  }

  @AfterEach
  void nothingIsLeft() {
    model.close();
    assertEquals(0, recorder.open());
    assertEquals(before, TensorLedger.liveTensors());
  }

  private long[][] generate(TokenBatch batch, Consumer<GenerationConfig.Builder> search) {
    Consumer<GenerationConfig.Builder> endless = g -> g.maxNewTokens(16).eosTokenId().padTokenId(0);
    return model.generate(batch, endless.andThen(search)).ids();
  }

  private long[][] recorded(
      StepRecorder with, TokenBatch batch, Consumer<GenerationConfig.Builder> search) {
    try (CardTensors.Closing standIn = StepRecorders.standIn(model.device(), with)) {
      return generate(batch, search);
    }
  }

  /** The first new token comes from the prompt; of the others one step is rehearsed. */
  @Test
  void oneRecordingServesAllTokens() {
    assertArrayEquals(generate(ONE, g -> {}), recorded(recorder, ONE, g -> {}));
    assertEquals(1, recorder.recorded());
    assertEquals(14, recorder.replayed());
  }

  @Test
  void everySearchWritesTheSame() {
    List<Consumer<GenerationConfig.Builder>> searches =
        List.of(
            g -> g.doSample(true).seed(5).temperature(1.5).topK(20),
            g -> g.numReturnSequences(2).doSample(true).seed(6),
            g -> g.numBeams(3).numReturnSequences(3),
            g -> g.numBeams(4).numBeamGroups(2).diversityPenalty(0.7).numReturnSequences(4));
    for (Consumer<GenerationConfig.Builder> search : searches) {
      for (TokenBatch batch : List.of(ONE, PADDED)) {
        int replayed = recorder.replayed();
        assertArrayEquals(generate(batch, search), recorded(recorder, batch, search));
        assertEquals(14, recorder.replayed() - replayed);
      }
    }
    assertArrayEquals(
        generate(PADDED, g -> g.penaltyAlpha(0.6).topK(3)),
        recorded(recorder, PADDED, g -> g.penaltyAlpha(0.6).topK(3)));
    Consumer<GenerationConfig.Builder> guesses = g -> g.promptLookupNumTokens(3);
    assertArrayEquals(generate(ONE, guesses), recorded(recorder, ONE, guesses));
  }

  /** Too few tokens to come are not worth it, and a model in training has other passes. */
  @Test
  void whereNothingIsRecorded() {
    recorded(recorder, ONE, g -> g.maxNewTokens(7));
    recorded(recorder, ONE, g -> g.useCache(false));
    model.train();
    recorded(recorder, ONE, g -> {});
    assertEquals(0, recorder.recorded());
  }

  /** The generation goes on where a step cannot be recorded, or not be run as it would be. */
  @Test
  void failuresChangeNothing() {
    long[][] expected = generate(PADDED, g -> {});
    for (int failing = 0; failing < 3; failing++) {
      int stage = failing;
      StepRecorder broken =
          new StepRecorder() {
            @Override
            public void rehearse(Runnable work) {
              if (stage == 0) {
                throw new CudaException("no rehearsal");
              }
              work.run();
            }

            @Override
            public Recording record(Runnable work) {
              if (stage == 1) {
                throw new CudaException("no recording");
              }
              Recording real = recorder.record(work);
              return new Recording() {
                private int times;

                @Override
                public <T> T replay(java.util.function.Supplier<T> result) {
                  if (++times == 3) {
                    throw new CudaException("no replay");
                  }
                  return real.replay(result);
                }

                @Override
                public void close() {
                  real.close();
                }
              };
            }
          };
      assertArrayEquals(expected, recorded(broken, PADDED, g -> {}));
    }
    assertEquals(2, recorder.replayed());
  }

  /** Logits of a text fed in pieces, the cache of which grows, and parts of which are fed again. */
  @Test
  void cachesThatGrowAndGoBack() {
    List<float[]> expected = pieces();
    List<float[]> actual;
    try (CardTensors.Closing standIn = StepRecorders.standIn(model.device(), recorder)) {
      actual = pieces();
    }
    assertEquals(expected.size(), actual.size());
    for (int i = 0; i < expected.size(); i++) {
      float[] row = expected.get(i);
      for (int j = 0; j < row.length; j++) {
        assertEquals(row[j], actual.get(i)[j], 1e-5f, "step " + i);
      }
    }
    assertEquals(2, recorder.recorded());
    assertTrue(recorder.replayed() > 20, () -> recorder.replayed() + " replays");
  }

  private List<float[]> pieces() {
    List<float[]> result = new ArrayList<>();
    try (TensorScope scope = TensorScope.open("pieces");
        GradMode off = GradMode.noGrad();
        DecoderSession session = model.decoderModel().begin(ONE, 16, true)) {
      result.add(feed(session, 3, 5, 6, 17));
      for (int token = 4; token < 30; token++) {
        result.add(feed(session, token));
        if (token == 9) {
          session.crop(6);
        }
        if (token == 12) {
          result.add(feed(session, 7, 8, 9));
        }
      }
    }
    return result;
  }

  private float[] feed(DecoderSession session, long... tokens) {
    try (TensorScope scope = TensorScope.open("feed")) {
      session.reach(session.length() + tokens.length);
      Tensor ids = Creation.ofLongs(tokens, 1, tokens.length).to(model.device());
      return session.logits(ids, null).toFloats();
    }
  }

  /** What was recorded of weights that are gone is not started. */
  @Test
  void aClosedModelIsNotRepeated() {
    try (CardTensors.Closing standIn = StepRecorders.standIn(model.device(), recorder);
        TensorScope scope = TensorScope.open("closed");
        GradMode off = GradMode.noGrad();
        DecoderSession session = model.decoderModel().begin(ONE, 32, true)) {
      feed(session, 3, 5, 6);
      for (int token = 4; token < 9; token++) {
        feed(session, token);
      }
      int replayed = recorder.replayed();
      assertEquals(4, replayed);
      model.close();
      assertThrows(RuntimeException.class, () -> feed(session, 9));
      assertEquals(replayed, recorder.replayed());
    }
  }

  /** Logits that were given stay as they are. */
  @Test
  void laterStepsLeaveEarlierLogits() {
    try (CardTensors.Closing standIn = StepRecorders.standIn(model.device(), recorder);
        TensorScope scope = TensorScope.open("kept");
        GradMode off = GradMode.noGrad();
        DecoderSession session = model.decoderModel().begin(ONE, 32, true)) {
      feed(session, 3, 5, 6);
      List<Tensor> kept = new ArrayList<>();
      List<float[]> copies = new ArrayList<>();
      for (int token = 4; token < 9; token++) {
        Tensor ids = Creation.ofLongs(new long[] {token}, 1, 1).to(model.device());
        kept.add(session.logits(ids, null));
        copies.add(kept.get(kept.size() - 1).toFloats());
      }
      for (int i = 0; i < kept.size(); i++) {
        assertClose(Creation.ofFloats(copies.get(i), 1, 30), kept.get(i), 0);
      }
    }
  }

  /** What searches keep of each step is each step's. */
  @Test
  void scoresAreThoseOfTheirSteps() {
    Consumer<GenerationConfig.Builder> kept =
        g -> g.maxNewTokens(16).eosTokenId().outputLogits(true).outputScores(true);
    var expected = model.generateOutput(ONE, kept, GenerateOptions.NONE);
    try (CardTensors.Closing standIn = StepRecorders.standIn(model.device(), recorder)) {
      var actual = model.generateOutput(ONE, kept, GenerateOptions.NONE);
      for (int i = 0; i < 16; i++) {
        assertArrayEquals(expected.logits().get(i)[0], actual.logits().get(i)[0], 1e-5f);
        assertArrayEquals(expected.scores().get(i)[0], actual.scores().get(i)[0], 1e-5f);
      }
    }
  }
}
