package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.peft.tuner.prefixtuning.PrefixTuningConfig;
import org.peftjava.peft.tuner.prompttuning.PromptTuningInit;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.model.opt.OptConfig;
import org.peftjava.transformers.tokenizer.Tokenizer;

/** What virtual tokens start as. */
@ExtendWith(LedgerCheck.class)
class PromptStartTest {
  private static final String WEIGHT = "prompt_encoder.default.embedding.weight";

  private TinyOpt tiny;
  private CausalLM base;

  @BeforeEach
  void open() {
    tiny = new TinyOpt();
    base = tiny.base();
  }

  @AfterEach
  void close() {
    tiny.close();
  }

  private static Tensor weight(PeftModel model) {
    return model.namedParameters().get(WEIGHT).tensor();
  }

  @Test
  void sampledTokensAreRowsOfTheVocabulary() {
    try (PeftModelForCausalLM model =
        Peft.getPeftModel(
            base,
            PromptCase.prompt()
                .numVirtualTokens(12)
                .promptTuningInit(PromptTuningInit.SAMPLE_VOCAB)
                .build())) {
      float[] table = base.backbone().inputEmbeddings().table().tensor().toFloats();
      float[] sampled = weight(model).toFloats();
      Set<Integer> rows = new TreeSet<>();
      for (int token = 0; token < 12; token++) {
        float[] row = Arrays.copyOfRange(sampled, 16 * token, 16 * (token + 1));
        rows.add(
            IntStream.range(0, 40)
                .filter(id -> Arrays.equals(row, Arrays.copyOfRange(table, 16 * id, 16 * (id + 1))))
                .findFirst()
                .orElseThrow());
      }
      assertTrue(rows.size() > 3, rows::toString);
    }
  }

  private static OptConfig wide(int vocabulary) {
    return OptConfig.builder()
        .vocabSize(vocabulary)
        .hiddenSize(16)
        .ffnDim(32)
        .numHiddenLayers(1)
        .numAttentionHeads(2)
        .build();
  }

  @Test
  void aTextIsRepeatedOrCut() {
    Path tokenizer = Goldens.path("tokenizer_kinds/word_level");
    try (CausalLM wide = AutoModelForCausalLM.fromConfig(wide(147), DType.FLOAT32)) {
      long[] ids;
      try (Tokenizer open = AutoTokenizer.fromPretrained(tokenizer)) {
        ids = open.encode("hello world , hello").inputIds()[0];
      }
      assertTrue(ids.length >= 3, () -> Arrays.toString(ids));
      for (int tokens : new int[] {2, ids.length + 2}) {
        try (PeftModelForCausalLM model =
            Peft.getPeftModel(
                wide,
                PromptCase.prompt()
                    .numVirtualTokens(tokens)
                    .promptTuningInit(PromptTuningInit.TEXT)
                    .promptTuningInitText("hello world , hello")
                    .tokenizerNameOrPath(tokenizer.toString())
                    .build())) {
          long[] expected = new long[tokens];
          Arrays.setAll(expected, i -> ids[i % ids.length]);
          assertArrayEquals(
              wide.backbone()
                  .inputEmbeddings()
                  .forward(Creation.ofLongs(expected, tokens).to(wide.device()))
                  .toFloats(),
              weight(model).toFloats());
        }
      }
    }
  }

  @Test
  void aPrefixCanStartAsZeros() {
    for (boolean projected : new boolean[] {false, true}) {
      try (PeftModelForCausalLM model =
          Peft.getPeftModel(
              base,
              PrefixTuningConfig.builder()
                  .numVirtualTokens(2)
                  .initWeights("zero")
                  .prefixProjection(projected)
                  .build())) {
        String last = projected ? "prompt_encoder.default.transform.2.bias" : WEIGHT;
        assertEquals(0, model.namedParameters().get(last).tensor().abs().max().toDouble());
      }
    }
  }
}
